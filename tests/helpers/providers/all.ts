/** Every provider's harness, for the suites that run over all of them. */
import { arkHarness } from './ark.ts'
import { cloudflareBytesHarness, cloudflareFormHarness, cloudflareHarness } from './cloudflare.ts'
import { comfyuiHarness } from './comfyui.ts'
import { dashscopeAsyncHarness, dashscopeHarness } from './dashscope.ts'
import { falEnlargingHarness, falHarness, falPollingHarness } from './fal.ts'
import { geminiHarness } from './gemini.ts'
import type { ProviderHarness } from './harness.ts'
import { jimengHarness } from './jimeng.ts'
import { klingHarness } from './kling.ts'
import { midjourneyFullHarness, midjourneyHarness } from './midjourney.ts'
import { openAiChatHarness, openAiHarness, openAiLinksHarness } from './openai.ts'

export const allHarnesses: readonly ProviderHarness[] = [
  falHarness,
  falPollingHarness,
  falEnlargingHarness,
  cloudflareHarness,
  cloudflareBytesHarness,
  cloudflareFormHarness,
  comfyuiHarness,
  arkHarness,
  dashscopeHarness,
  dashscopeAsyncHarness,
  openAiHarness,
  openAiLinksHarness,
  openAiChatHarness,
  geminiHarness,
  midjourneyHarness,
  midjourneyFullHarness,
  jimengHarness,
  klingHarness,
]
