import { faultMatrix } from '../contracts/faults.ts'
import { comfyuiHarness } from '../helpers/providers/comfyui.ts'
import { dashscopeAsyncHarness } from '../helpers/providers/dashscope.ts'
import { falCalledHarness, falEnlargingHarness, falHarness } from '../helpers/providers/fal.ts'
import { jimengHarness } from '../helpers/providers/jimeng.ts'
import { klingHarness } from '../helpers/providers/kling.ts'
import { midjourneyCalledHarness, midjourneyFullHarness, midjourneyHarness } from '../helpers/providers/midjourney.ts'

for (const harness of [
  falHarness,
  falCalledHarness,
  falEnlargingHarness,
  comfyuiHarness,
  dashscopeAsyncHarness,
  jimengHarness,
  klingHarness,
  midjourneyHarness,
  midjourneyFullHarness,
  midjourneyCalledHarness,
])
  faultMatrix(harness)
