/** What a workspace allows, over HTTP. */
import { listModels, readPolicy, updatePolicy } from '../contract/policy.ts'
import { changeWorkspacePolicy, curateModels, knownRegions, policyFacts } from '../control/workspace-policy.ts'
import type { WorkspacePolicy } from '../domain/workspace-policy.ts'
import { modelWithOwnKeys } from '../gateway/own-keys.ts'
import { listCredentials } from '../store/credential.ts'
import { loadPolicy } from '../store/workspace-policy.ts'
import { type OperationContext, serve } from './operation-route.ts'
import type { RouteDefinition } from './routes.ts'

export const policyRoutes: readonly RouteDefinition[] = [
  serve(readPolicy, async (context, { params }) =>
    viewPolicy(context, await loadPolicy(context.control.database, params.workspace)),
  ),
  serve(updatePolicy, async (context, { params, body }) => {
    const { control, acting } = context
    const { curation, models, zero_retention_only, allow_training, regions } = body
    const policy = await changeWorkspacePolicy(control.database, control.catalog(), acting, params.workspace, {
      ...(curation !== undefined && { curation }),
      ...(models !== undefined && { models }),
      ...(zero_retention_only !== undefined && { zeroRetentionOnly: zero_retention_only }),
      ...(allow_training !== undefined && { allowTraining: allow_training }),
      ...(regions !== undefined && { regions: regions && [...new Set(regions)] }),
    })
    return viewPolicy(context, policy)
  }),
  serve(listModels, async ({ control }, { params }) => {
    const { database } = control
    const [policy, credentials] = await Promise.all([
      loadPolicy(database, params.workspace),
      listCredentials(database, params.workspace),
    ])
    const catalog = control.catalog()
    return { data: curateModels(catalog, policy, (model) => modelWithOwnKeys(catalog, model, { credentials })) }
  }),
]

function viewPolicy({ control }: OperationContext, policy: WorkspacePolicy) {
  return { ...policyFacts(policy), known_regions: knownRegions(control.catalog()) }
}
