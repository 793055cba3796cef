// A picture of every model through the AI SDK's generateImage, with both of its providers; they ask for base64.

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateImage } from "ai";
import { check, plan, saved } from "./report.mjs";

const settings = { name: "darkroom", baseURL: plan.base_url, apiKey: plan.api_key };
const providers = {
  openai: createOpenAI(settings),
  "openai-compatible": createOpenAICompatible(settings),
};

for (const [name, provider] of Object.entries(providers)) {
  for (const model of plan.models) {
    await check(`generateImage ${name} ${model}`, async () => {
      const prompt = "a lighthouse on a cliff";
      const { image } = await generateImage({ model: provider.imageModel(model), prompt, size: "1024x1024" });
      return saved(image.uint8Array, "1024x1024");
    });
  }
}
