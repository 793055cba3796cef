// Everything Darkroom offers, through OpenAI's SDK for Node.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import OpenAI from "openai";
import { check, plan, saved } from "./report.mjs";

const prompt = "a lighthouse on a cliff";
const client = new OpenAI({ baseURL: plan.base_url, apiKey: plan.api_key, maxRetries: 0, timeout: 120_000 });

async function generates(request) {
  const response = await client.images.generate({ prompt, ...request });
  assert.ok(Number.isInteger(response.created), `created is ${response.created}`);
  assert.equal(response.data.length, 1);
  const [image] = response.data;
  assert.deepEqual(Object.keys(image).filter((key) => key !== "revised_prompt"), [request.response_format]);
  return saved(image.b64_json ? Buffer.from(image.b64_json, "base64") : await fetched(image.url), request.size);
}

async function fetched(url) {
  const answer = await fetch(url);
  assert.ok(answer.ok, `the picture's address answers ${answer.status}`);
  return Buffer.from(await answer.arrayBuffer());
}

async function refuses({ error, code, requests, api_key: apiKey = plan.api_key, idempotent = false }) {
  const defaultHeaders = idempotent ? { "Idempotency-Key": randomUUID() } : {};
  const asking = client.withOptions({ apiKey, defaultHeaders });
  const ask = async () => {
    for (const request of requests) {
      await asking.images.generate({ prompt, ...request });
    }
  };
  await assert.rejects(ask, (raised) => {
    assert.deepEqual([raised.constructor.name, raised.code], [error, code]);
    assert.match(raised.requestID, /^req_/);
    return true;
  });
}

async function lists() {
  const page = await client.models.list();
  assert.deepEqual(page.data.map((model) => model.id), plan.models);
}

async function retrieves(model) {
  assert.equal((await client.models.retrieve(model)).id, model);
}

async function misses() {
  await assert.rejects(client.models.retrieve("dall-e-4"), { constructor: OpenAI.NotFoundError, code: "model_not_found" });
}

async function sendsHeaders() {
  const { data, response } = await client.images.generate({ prompt }).withResponse();
  assert.match(response.headers.get("x-request-id"), /^req_/);
  assert.match(response.headers.get("openai-processing-ms"), /^\d+$/);
  assert.equal(response.headers.get("openai-version"), "2020-10-01");
  assert.ok(data.data[0].url);
}

await Promise.all(plan.cases.map((each) => check(`generate ${Object.values(each).join(" ")}`, () => generates(each))));
await Promise.all(plan.refusals.map((each) => check(`${each.error} ${each.code}`, () => refuses(each))));
await check("models.list", lists);
for (const model of plan.models) {
  await check(`models.retrieve ${model}`, () => retrieves(model));
}
await check("models.retrieve of an unknown model", misses);
await check("withResponse", sendsHeaders);
