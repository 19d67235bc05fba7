/**
 * `node tools/dependency-policy.ts`: what may be installed. Everything is pinned by the lock file with its digest, comes
 * from a registry, runs no script of its own, has a licence that we can ship, and there is not more of it than we know of.
 */
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

interface LockedPackage {
  readonly version?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly license?: string
  readonly link?: boolean
  readonly dev?: boolean
  readonly devOptional?: boolean
  readonly hasInstallScript?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

export interface Lock {
  readonly lockfileVersion: number
  /** By place: `node_modules/pg`; the empty one is this repository. */
  readonly packages: Readonly<Record<string, LockedPackage>>
}

export interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  /** Whose install scripts npm may run. */
  readonly allowScripts: Readonly<Record<string, boolean>>
}

const LICENCES: ReadonlySet<string> = new Set([
  ...['MIT', 'MIT-0', 'ISC', '0BSD', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0'],
])

/** Other licences, one by one. */
const OTHER_LICENCES: Readonly<Record<string, string>> = {
  // Public domain; signs webhooks below standardwebhooks.
  'fast-sha256': 'Unlicense',
}

/** Have an install script that is never run: not in `allowScripts`, and needed for development alone. */
const SCRIPTS_LEFT_OUT: ReadonlySet<string> = new Set(['protobufjs'])

/** The pinned runtime is a package that fetches the binary of its platform. */
const SCRIPTS_THAT_RUN: ReadonlySet<string> = new Set(['node'])

/** Packages that are installed without those for development. To be raised knowingly, never in passing. */
export const RUNTIME_BUDGET = 64

/** Every breach, as a sentence; empty when there is none. */
export function checkDependencies(manifest: Manifest, lock: Lock): string[] {
  const installed = Object.entries(lock.packages).filter(([place]) => place !== '')
  const runtime = installed.filter(([, { dev, devOptional }]) => !dev && !devOptional)
  return [
    ...checkManifest(manifest, lock),
    ...installed.flatMap(([place, locked]) => checkPackage(place, locked, manifest)),
    ...checkCompleteness(lock),
    ...Object.keys(manifest.allowScripts)
      .filter((name) => !SCRIPTS_THAT_RUN.has(name))
      .map((name) => `allowScripts: ${name} may run a script when it is installed`),
    ...(runtime.length > RUNTIME_BUDGET ? [`${runtime.length} packages at run time, more than ${RUNTIME_BUDGET}`] : []),
  ]
}

/** Exact versions of a registry, and the lock file made from this very manifest. */
function checkManifest(manifest: Manifest, { lockfileVersion, packages }: Lock): string[] {
  const locked = packages[''] as (LockedPackage & { readonly devDependencies?: object }) | undefined
  const wanted = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })
  return [
    ...(lockfileVersion === 3 ? [] : [`the lock file has version ${lockfileVersion}, not 3`]),
    ...wanted
      .filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))
      .map(([name, version]) => `${name} is asked for as ${version}, not as one version`),
    ...wanted
      .filter(([name, version]) => packages[`node_modules/${name}`]?.version !== version)
      .map(([name, version]) => `${name} ${version} is not what the lock file has`),
    ...(sameTexts(locked?.dependencies, manifest.dependencies) &&
    sameTexts(locked?.devDependencies, manifest.devDependencies)
      ? []
      : ['the lock file was made from another package.json']),
  ]
}

function sameTexts(one: object = {}, other: object = {}): boolean {
  const text = (members: object): string => JSON.stringify(Object.entries(members).sort())
  return text(one) === text(other)
}

function checkPackage(place: string, locked: LockedPackage, { allowScripts }: Manifest): string[] {
  const name = nameOf(place)
  const found: string[] = []
  if (locked.link === true) found.push(`${place} is a link, not a package`)
  if (!locked.integrity?.startsWith('sha512-')) found.push(`${place} has no SHA-512 in the lock file`)
  if (locked.resolved !== undefined && !/^https:\/\/[^/]+\/.*\.tgz$/.test(locked.resolved)) {
    found.push(`${place} comes from ${new URL(locked.resolved).protocol}//…, not from a registry`)
  }
  if (!isLicenceAllowed(name, locked.license))
    found.push(`${place} has the licence ${locked.license ?? 'that is not said'}`)
  if (locked.hasInstallScript === true && !mayHaveScript(name, locked, allowScripts)) {
    found.push(`${place} wants to run a script when it is installed`)
  }
  return found
}

function mayHaveScript(name: string, { dev }: LockedPackage, allowScripts: Manifest['allowScripts']): boolean {
  if (SCRIPTS_THAT_RUN.has(name)) return true
  return SCRIPTS_LEFT_OUT.has(name) && dev === true && allowScripts[name] !== true
}

/** Of `A OR B` one is enough, of `A AND B` both are needed. */
function isLicenceAllowed(name: string, licence: string | undefined): boolean {
  if (licence === undefined) return false
  if (OTHER_LICENCES[name] === licence) return true
  const plain = licence.replace(/^\((.*)\)$/, '$1')
  return plain.split(' OR ').some((choice) => choice.split(' AND ').every((one) => LICENCES.has(one.trim())))
}

/** `node_modules/a/node_modules/@b/c` is `@b/c`. */
function nameOf(place: string): string {
  return place.split('node_modules/').at(-1) ?? place
}

/** Everything that a package needs is locked as well, where Node would look for it. */
function checkCompleteness({ packages }: Lock): string[] {
  return Object.entries(packages).flatMap(([place, { dependencies = {} }]) =>
    Object.keys(dependencies)
      .filter((name) => !isFound(packages, place, name))
      .map((name) => `${place || 'this repository'} needs ${name}, which is not locked`),
  )
}

function isFound(packages: Lock['packages'], place: string, name: string): boolean {
  const parts = place === '' ? [] : place.split('/node_modules/')
  for (let depth = parts.length; depth >= 0; depth--) {
    const above = parts.slice(0, depth).join('/node_modules/')
    if (packages[`${above === '' ? '' : `${above}/`}node_modules/${name}`]) return true
  }
  return false
}

export function readJson<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), 'utf8')) as T
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const breaches = checkDependencies(readJson<Manifest>('package.json'), readJson<Lock>('package-lock.json'))
  for (const breach of breaches) console.error(breach)
  if (breaches.length > 0) process.exit(1)
}
