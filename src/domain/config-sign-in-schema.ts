/** The schema of `signIn`: how people get in, and which providers of identities say who they are. */
import { z } from 'zod'
import { distinct, flag } from './config-defaults.ts'
import { secret, text } from './config-values.ts'
import { isLoopbackUrl, KNOWN_ISSUERS } from './sign-in-config.ts'

/** Each has a button on the page for signing in. */
const MAX_PROVIDERS = 16
const MAX_GROUPS = 100
const MAX_WORKSPACES = 500
/** Stand in `/api/sign-in/…` already. */
const TAKEN_IDS = ['password', 'email', 'reset', 'passkey', 'passkeys']

const identityProviderId = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/, {
    error: 'not an id of a provider: lower case letters, digits and - (32 at most)',
  })
  .refine((id) => !TAKEN_IDS.includes(id), { error: `must be none of ${TAKEN_IDS.join(', ')}` })

const issuer = z.string({ error: 'expected an address (URL)' }).superRefine((value, context) => {
  if (!/^https?:\/\//i.test(value) || !URL.canParse(value)) {
    context.addIssue('expected an address that begins with https://')
    return
  }
  const url = new URL(value)
  if (url.protocol !== 'https:' && !isLoopbackUrl(url)) {
    context.addIssue('must begin with https://; http:// is for providers on this machine alone')
  }
  if (url.username !== '' || url.password !== '') context.addIssue('must not hold a user name or password')
  if (/[?#]/.test(value)) context.addIssue('must not hold a query or fragment')
})

const domain = z
  .string({ error: 'expected a domain' })
  .regex(/^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/, {
    error: 'expected a domain in lower case such as acme.example',
  })

const groups = z.array(text(256)).max(MAX_GROUPS, { error: `more than ${MAX_GROUPS} groups` })

const roleMap = z.strictObject({
  claim: text(256)
    .optional()
    .describe('The claim with the groups: its name, or the way to it: `realm_access.roles`.')
    .meta({ default: 'groups' }),
  operators: groups.optional().describe('Members of one of these groups run the instance.').meta({ default: [] }),
  workspaces: z
    .record(
      text(100),
      z.strictObject({
        admins: groups.optional().describe('Groups whose members are admins.').meta({ default: [] }),
        members: groups.optional().describe('Groups whose members are members.').meta({ default: [] }),
      }),
    )
    .refine((entries) => Object.keys(entries).length <= MAX_WORKSPACES, {
      error: `more than ${MAX_WORKSPACES} workspaces`,
    })
    .optional()
    .describe('Who belongs to a workspace, by its id or name. What somebody here gave by hand is left alone.'),
})

const identityProvider = z.strictObject({
  issuer: issuer
    .optional()
    .describe(
      'The address under which OpenID Connect discovery finds the provider. Known for `google` and `github`; for `github` another one is GitHub Enterprise.',
    ),
  name: text(64).optional().describe('What the button says.'),
  clientId: text(512).describe('What the provider calls this gateway.'),
  clientSecret: secret.describe(
    'What proves that to the provider: `env:NAME`, `file:path` (relative to this file) or the value itself. Never shown again.',
  ),
  scopes: distinct(z.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/, { error: 'not a scope' })))
    .optional()
    .describe('What is asked for; `openid` is always among it. Add what makes your provider send groups.')
    .meta({ default: ['openid', 'email', 'profile'] }),
  domains: distinct(z.array(domain))
    .optional()
    .describe('Only people with a verified e-mail address of these domains. Absent: of any.'),
  provisions: flag
    .optional()
    .describe('Whether people who have no account get one when they sign in with a verified e-mail address.')
    .meta({ default: false }),
  roles: roleMap
    .optional()
    .describe("What the provider's groups mean here; looked at whenever somebody signs in. Not for `github`."),
})

export const signInEntry = z.strictObject({
  password: flag
    .optional()
    .describe(
      "Whether e-mail and password are taken. An operator's always are, so that somebody gets in when the providers are down.",
    )
    .meta({ default: true }),
  registration: z
    .enum(['invite', 'open'], { error: 'expected invite or open' })
    .optional()
    .describe(
      '`invite`: accounts come from invitations, operators and providers with `provisions`; `open`: anybody makes one.',
    )
    .meta({ default: 'invite' }),
  providers: z
    .record(identityProviderId, identityProvider)
    .superRefine(checkProviders)
    .optional()
    .describe(
      'Providers of identities, by id: `google`, `github`, or any OpenID Connect provider with its `issuer`. See `docs/guides/sign-in.md`.',
    ),
})

export type SignInEntry = z.infer<typeof signInEntry>

function checkProviders(
  entries: Readonly<Record<string, z.infer<typeof identityProvider>>>,
  context: z.RefinementCtx,
): void {
  const seen = new Set<string>()
  if (Object.keys(entries).length > MAX_PROVIDERS) context.addIssue(`more than ${MAX_PROVIDERS} providers`)
  for (const [id, entry] of Object.entries(entries)) {
    const address = entry.issuer ?? KNOWN_ISSUERS.get(id)
    if (address === undefined) {
      context.addIssue({
        code: 'custom',
        path: [id],
        message: 'needs an issuer: only google and github have a known one',
      })
    } else if (seen.has(new URL(address).href)) {
      context.addIssue({ code: 'custom', path: [id, 'issuer'], message: 'is the issuer of another provider too' })
    } else {
      seen.add(new URL(address).href)
    }
    if (id === 'github' && entry.roles !== undefined) {
      context.addIssue({ code: 'custom', path: [id, 'roles'], message: 'GitHub sends no groups' })
    }
  }
}
