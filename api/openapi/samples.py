"""How the main calls look in curl, Python and Node; docs/api.md has the same, and a test runs them."""

from dataclasses import dataclass

ADDRESS = "http://127.0.0.1:8000"
JOB_ID = "0199d0c1-2345-7abc-8def-0123456789ab"
PICTURE = "img-XoDnXvJ8KBTVoq1SUcSIfG9t.png"
PYTHON = f"""\
import os

from openai import OpenAI

client = OpenAI(base_url="{ADDRESS}/v1", api_key=os.environ["DARKROOM_API_KEY"])
"""
NODE = f"""\
import OpenAI from "openai";

const client = new OpenAI({{ baseURL: "{ADDRESS}/v1", apiKey: process.env.DARKROOM_API_KEY }});
"""
KEY = '-H "Authorization: Bearer $DARKROOM_API_KEY"'


@dataclass(frozen=True, slots=True)
class Sample:
    """One call; `python` and `node` go on where a client was made."""

    curl: str
    python: str
    node: str


def _job(path: str, method: str = "get") -> Sample:
    """The SDKs have no names for what OpenAI has not, but send whatever they are told."""
    post = " -X POST" if method == "post" else ""
    return Sample(
        f"curl{post} {ADDRESS}/v1{path} \\\n  {KEY}",
        f'job = client.{method}("{path}", cast_to=object)\nprint(job["status"])',
        f'const job = await client.{method}("{path}");\nconsole.log(job.status);',
    )


SAMPLES = {
    "createImage": Sample(
        f"""\
curl {ADDRESS}/v1/images/generations \\
  {KEY} \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "dall-e-3", "prompt": "A lighthouse at dusk", "quality": "hd"}}'""",
        """\
made = client.images.generate(model="dall-e-3", prompt="A lighthouse at dusk", quality="hd")
print(made.data[0].url)""",
        """\
const made = await client.images.generate({
  model: "dall-e-3",
  prompt: "A lighthouse at dusk",
  quality: "hd",
});
console.log(made.data[0].url);""",
    ),
    "downloadImage": Sample(
        f"curl -o lighthouse.png {ADDRESS}/files/{PICTURE}",
        f"""\
from urllib.request import urlretrieve

urlretrieve("{ADDRESS}/files/{PICTURE}", "lighthouse.png")""",
        f"""\
import {{ writeFile }} from "node:fs/promises";

const answer = await fetch("{ADDRESS}/files/{PICTURE}");
await writeFile("lighthouse.png", Buffer.from(await answer.arrayBuffer()));""",
    ),
    "listImageJobs": Sample(
        f"""\
curl -g "{ADDRESS}/v1/images/jobs?status=completed,failed&metadata[order]=17" \\
  {KEY}""",
        """\
query = {"status": "completed,failed", "metadata[order]": "17"}
jobs = client.get("/images/jobs", cast_to=object, options={"params": query})
print([job["id"] for job in jobs["data"]])""",
        """\
const query = { status: "completed,failed", "metadata[order]": "17" };
const jobs = await client.get("/images/jobs", { query });
console.log(jobs.data.map((job) => job.id));""",
    ),
    "retrieveImageJob": _job(f"/images/jobs/{JOB_ID}"),
    "cancelImageJob": _job(f"/images/jobs/{JOB_ID}/cancel", "post"),
    "followImageJob": Sample(
        f"curl -N {ADDRESS}/v1/images/jobs/{JOB_ID}/events \\\n  {KEY}",
        f"""\
from urllib.request import Request, urlopen

address = "{ADDRESS}/v1/images/jobs/{JOB_ID}/events"
with urlopen(Request(address, headers=client.auth_headers)) as events:
    for line in events:
        print(line.decode(), end="")""",
        f"""\
const events = await fetch("{ADDRESS}/v1/images/jobs/{JOB_ID}/events", {{
  headers: {{ Authorization: `Bearer ${{client.apiKey}}` }},
}});
for await (const part of events.body) process.stdout.write(part);""",
    ),
    "listModels": Sample(
        f"curl {ADDRESS}/v1/models \\\n  {KEY}",
        "print([model.id for model in client.models.list()])",
        "for await (const model of client.models.list()) console.log(model.id);",
    ),
    "retrieveModel": Sample(
        f"curl {ADDRESS}/v1/models/dall-e-3 \\\n  {KEY}",
        'print(client.models.retrieve("dall-e-3").owned_by)',
        'console.log((await client.models.retrieve("dall-e-3")).owned_by);',
    ),
    "retrieveUsage": Sample(
        f'curl "{ADDRESS}/v1/usage?model=dall-e-3" \\\n  {KEY}',
        """\
usage = client.get("/usage", cast_to=object, options={"params": {"model": "dall-e-3"}})
print(usage["total_cost_usd"], usage["budget"]["left_usd"])""",
        """\
const usage = await client.get("/usage", { query: { model: "dall-e-3" } });
console.log(usage.total_cost_usd, usage.budget.left_usd);""",
    ),
}


def of(operation_id: str, public_url: str) -> list[dict[str, str]]:
    """Whole programs for callers of this address; none for what programs do not call."""
    sample = SAMPLES.get(operation_id)
    if sample is None:
        return []
    programs = {
        ("shell", "curl"): sample.curl,
        ("python", "Python"): f"{PYTHON}\n{sample.python}",
        ("javascript", "Node"): f"{NODE}\n{sample.node}",
    }
    return [
        {"lang": lang, "label": label, "source": source.replace(ADDRESS, public_url)}
        for (lang, label), source in programs.items()
    ]
