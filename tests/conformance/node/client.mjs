// Makes pictures as tests/acceptance/clients/python_client.py does: the same plan in, the same answers out.

import { json } from "node:stream/consumers";
import OpenAI from "openai";

const plan = await json(process.stdin);
const client = new OpenAI({
  baseURL: plan.base_url,
  apiKey: plan.api_key,
  timeout: plan.timeout * 1000,
  maxRetries: plan.max_retries,
});

async function ask(prompt) {
  try {
    const answer = await client.images.generate({ model: "dall-e-2", prompt, size: "256x256" });
    return { url: answer.data[0].url };
  } catch (error) {
    return { error: String(error) };
  }
}

process.stdout.write(JSON.stringify(await Promise.all(plan.prompts.map(ask))));
