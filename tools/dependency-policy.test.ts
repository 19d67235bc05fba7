/** The policy of what may be installed holds today, and each of its rules is seen to be broken. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { checkDependencies, type Lock, type Manifest, RUNTIME_BUDGET, readJson } from './dependency-policy.ts'

const manifest = readJson<Manifest>('package.json')
const lock = readJson<Lock>('package-lock.json')

it('what is installed is pinned, scriptless, licensed and counted', () => {
  assert.deepEqual(checkDependencies(manifest, lock), [])
})

const PLACE = 'node_modules/planted'
const good = { version: '1.0.0', integrity: 'sha512-AAAA', license: 'MIT' }
const withPackage = (more: object): Lock => ({
  ...lock,
  packages: { ...lock.packages, [PLACE]: { dev: true, ...good, ...more } },
})

it('a package that keeps to the policy may come', () => {
  assert.deepEqual(checkDependencies(manifest, withPackage({ license: '(AFL-2.1 OR BSD-3-Clause)' })), [])
})

const planted: readonly (readonly [string, RegExp, Manifest, Lock])[] = [
  ['a package from git', /registry/, manifest, withPackage({ resolved: 'git+ssh://git@host.example/a.git#main' })],
  ['a package over plain HTTP', /registry/, manifest, withPackage({ resolved: 'http://host.example/a.tgz' })],
  ['a package from a directory', /link/, manifest, withPackage({ link: true })],
  ['a package without a digest', /SHA-512/, manifest, withPackage({ integrity: undefined })],
  ['a package with a weak digest', /SHA-512/, manifest, withPackage({ integrity: 'sha1-AAAA' })],
  ['an install script', /run a script/, manifest, withPackage({ hasInstallScript: true })],
  ['a script that was allowed in passing', /allowScripts/, { ...manifest, allowScripts: { planted: true } }, lock],
  ['a copyleft licence', /licence GPL-3.0/, manifest, withPackage({ license: 'GPL-3.0' })],
  ['a licence that also binds to another', /licence/, manifest, withPackage({ license: 'MIT AND GPL-3.0' })],
  ['no licence', /licence that is not said/, manifest, withPackage({ license: undefined })],
  ['a version range', /not as one version/, withDependency('pg', '^8.0.0'), lock],
  ['a dependency that was not locked', /not what the lock file has/, withDependency('unlocked', '1.0.0'), lock],
  ['a hole below', /not locked/, manifest, withPackage({ dependencies: { nowhere: '1.0.0' } })],
  ['an old lock file', /version 1/, manifest, { ...lock, lockfileVersion: 1 }],
  ['more than we know of', new RegExp(`more than ${RUNTIME_BUDGET}`), manifest, crowded()],
]

function withDependency(name: string, version: string): Manifest {
  return { ...manifest, dependencies: { ...manifest.dependencies, [name]: version } }
}

function crowded(): Lock {
  const many = Array.from({ length: RUNTIME_BUDGET }, (_, index) => [`node_modules/more-${index}`, good])
  return { ...lock, packages: { ...lock.packages, ...Object.fromEntries(many) } }
}

for (const [what, told, ofManifest, ofLock] of planted) {
  it(`${what} is a breach`, () => {
    assert.match(checkDependencies(ofManifest, ofLock).join('\n'), told)
  })
}
