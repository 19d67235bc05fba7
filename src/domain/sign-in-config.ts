/** How people may sign in, and how mail leaves, as the configuration says it; secrets resolved. */

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
  /** The claim with the groups, such as `groups`. */
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
