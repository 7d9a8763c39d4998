import { providerContract } from '../contracts/provider.ts'
import { allHarnesses } from '../helpers/providers/all.ts'

for (const harness of allHarnesses) providerContract(harness)
