import { faultMatrix } from '../contracts/faults.ts'
import { arkHarness } from '../helpers/providers/ark.ts'
import { cloudflareBytesHarness, cloudflareFormHarness, cloudflareHarness } from '../helpers/providers/cloudflare.ts'
import { dashscopeHarness } from '../helpers/providers/dashscope.ts'
import { geminiHarness } from '../helpers/providers/gemini.ts'
import { openAiChatHarness, openAiHarness, openAiLinksHarness } from '../helpers/providers/openai.ts'

for (const harness of [
  cloudflareHarness,
  cloudflareBytesHarness,
  cloudflareFormHarness,
  arkHarness,
  dashscopeHarness,
  openAiHarness,
  openAiLinksHarness,
  openAiChatHarness,
  geminiHarness,
]) {
  faultMatrix(harness)
}
