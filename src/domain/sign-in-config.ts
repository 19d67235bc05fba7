/** How people may sign in, and how mail leaves, as the configuration says it; secrets resolved. */
import type { SignInEntry } from './config-sign-in-schema.ts'

export interface SignInConfig {
  /** Whether e-mail and password are taken. An operator's always are: somebody must get in when all else is down. */
  readonly password: boolean
  /** `invite`: an account comes from an invitation, an operator, or a provider that `provisions`; `open`: anybody makes one. */
  readonly registration: 'invite' | 'open'
  readonly providers: readonly IdentityProvider[]
}

/** A provider of identities: OpenID Connect, or GitHub, which has a way of its own. */
export interface IdentityProvider {
  /** Stands in paths: `google`, `github`, `keycloak`. */
  readonly id: string
  /** What the button says. */
  readonly name: string
  readonly kind: 'oidc' | 'github'
  readonly issuer: string
  readonly clientId: string
  /** Not enumerable: it stands in no log line. */
  readonly clientSecret: string
  readonly scopes: readonly string[]
  /** Only people with a verified address of these domains; null: of any. */
  readonly domains: readonly string[] | null
  /** Whether it makes accounts for people who have none. */
  readonly provisions: boolean
  readonly roles: RoleMap | null
}

/** What the provider's groups mean here; looked at whenever somebody signs in. */
export interface RoleMap {
  /** The claim with the groups, such as `groups`, or the way to it: `realm_access.roles`. */
  readonly claim: string
  /** Members of one of these run the instance. */
  readonly operators: readonly string[]
  readonly workspaces: readonly {
    /** Id or name. */
    readonly workspace: string
    readonly admins: readonly string[]
    readonly members: readonly string[]
  }[]
}

export interface MailConfig {
  /** `smtp://user:password@host:587` or `smtps://…`. Not enumerable. */
  readonly url: string
  /** `Zendo <zendo@example.com>` */
  readonly from: string
}

/** What an instance has that configures nothing. */
export const DEFAULT_SIGN_IN: SignInConfig = { password: true, registration: 'invite', providers: [] }

/** Providers whose issuer everybody shares. */
export const KNOWN_ISSUERS: ReadonlyMap<string, string> = new Map([
  ['google', 'https://accounts.google.com'],
  ['github', 'https://github.com'],
])

const NAMES: ReadonlyMap<string, string> = new Map([
  ['google', 'Google'],
  ['github', 'GitHub'],
])
const OIDC_SCOPES = ['openid', 'email', 'profile']
const GITHUB_SCOPES = ['read:user', 'user:email']

/** Nobody is in between: there plain HTTP does. */
export function isLoopbackUrl({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname)
}

/** `entry` has passed its schema; `secrets` holds the client secret of each provider, by its id. */
export function buildSignIn(entry: SignInEntry | undefined, secrets: ReadonlyMap<string, string>): SignInConfig {
  return {
    password: entry?.password ?? DEFAULT_SIGN_IN.password,
    registration: entry?.registration ?? DEFAULT_SIGN_IN.registration,
    providers: Object.entries(entry?.providers ?? {}).map(([id, provider]) =>
      buildProvider(id, provider, secrets.get(id) ?? ''),
    ),
  }
}

function buildProvider(
  id: string,
  entry: NonNullable<SignInEntry['providers']>[string],
  clientSecret: string,
): IdentityProvider {
  const kind = id === 'github' ? 'github' : 'oidc'
  const scopes = entry.scopes ?? (kind === 'github' ? GITHUB_SCOPES : OIDC_SCOPES)
  const provider: Omit<IdentityProvider, 'clientSecret'> = {
    id,
    name: entry.name ?? NAMES.get(id) ?? id,
    kind,
    issuer: entry.issuer ?? KNOWN_ISSUERS.get(id) ?? '',
    clientId: entry.clientId,
    scopes: kind === 'oidc' ? [...new Set(['openid', ...scopes])] : scopes,
    domains: entry.domains ?? null,
    provisions: entry.provisions ?? false,
    roles: entry.roles === undefined ? null : buildRoleMap(entry.roles),
  }
  return Object.defineProperty(provider, 'clientSecret', { value: clientSecret, enumerable: false }) as IdentityProvider
}

function buildRoleMap({
  claim,
  operators,
  workspaces,
}: NonNullable<NonNullable<SignInEntry['providers']>[string]['roles']>): RoleMap {
  return {
    claim: claim ?? 'groups',
    operators: operators ?? [],
    workspaces: Object.entries(workspaces ?? {}).map(([workspace, { admins, members }]) => ({
      workspace,
      admins: admins ?? [],
      members: members ?? [],
    })),
  }
}
