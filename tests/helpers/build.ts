/** Tests that start real processes run what is built: built once, before the first test. */
import { execFileSync } from 'node:child_process'

export default function build(): void {
  execFileSync('npm', ['run', '-s', 'build'], { stdio: 'inherit' })
}
