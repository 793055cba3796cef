// How a script is told what to do, and tells what came of it: JSON in, a line of JSON for each check out.

import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { json } from "node:stream/consumers";

export const plan = await json(process.stdin);

/** Report what `run` ends in, under this name; what it returns is told, too. */
export async function check(name, run) {
  const told = await run().catch((error) => ({ failure: String(error?.stack ?? error) }));
  console.log(JSON.stringify({ check: name, ...told }));
}

/** Keep a picture for the one who looks at it, and say of which size it was to be. */
export function saved(content, size) {
  const picture = join(plan.folder, `${randomUUID()}.png`);
  writeFileSync(picture, content);
  return { picture, size };
}
