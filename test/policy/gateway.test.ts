/** What a workspace's policy means for its requests: what is forbidden is never dialled, also not on failover. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { forEachEngine } from '../support/engines.ts'
import { type PolicyWorld, startPolicyWorld } from './world.ts'

function idsIn(models: readonly { readonly id: string }[]): string[] {
  return models.map(({ id }) => id).sort()
}

/** Region and provider of the last request. */
function lastRow({ sql }: PolicyWorld): unknown {
  const [row] = sql<{ provider: string; region: string | null }>(
    'SELECT provider, region FROM request ORDER BY id DESC LIMIT 1',
  )
  return { ...row }
}

forEachEngine((engine) => {
  describe('a policy', () => {
    it('of regions: the only other upstream out of them is not dialled, and the failure says why', async (t) => {
      const world = await startPolicyWorld(t, engine)
      const { providers, ask } = world
      providers.eu.answer = 'failure'
      // Without the policy the request goes on to the other one.
      assert.equal((await ask('eu-us')).status, 200)
      assert.deepEqual(lastRow(world), { provider: 'us', region: 'us' })
      const before = providers.us.connections()
      await world.allow('--regions', 'eu')
      const failed = await ask('eu-us')
      assert.deepEqual([failed.status, failed.error?.code], [503, 'upstream_unavailable'])
      assert.match(failed.error?.message ?? '', /other providers, but .* only the regions eu are allowed/)
      assert.equal(providers.us.connections(), before)
      assert.deepEqual(lastRow(world), { provider: 'eu', region: 'eu' })
      providers.eu.answer = 'whole'
      assert.equal((await ask('eu-us')).status, 200)
      assert.deepEqual((await world.listed()).find(({ id }) => id === 'eu-us')?.regions, ['eu'])
      const refused = await ask('us-only')
      assert.deepEqual(
        [refused.status, refused.error?.code, refused.error?.type],
        [403, 'policy_denied', 'RegionError'],
      )
      // Who declares no region is in none.
      assert.equal((await ask('silent-only')).error?.code, 'policy_denied')
      assert.deepEqual([providers.us.connections(), providers.silent.connections()], [before, 0])
      assert.deepEqual(idsIn(await world.listed()), ['eu-us'])
    })

    it('of zero retention: who keeps prompts, or says nothing, is neither listed nor dialled', async (t) => {
      const { providers, ask, listed, allow, gateway } = await startPolicyWorld(t, engine)
      await allow('--zero-retention-only', 'on', '--allow-training', 'on')
      assert.deepEqual(idsIn(await listed()), ['eu-us'])
      for (const model of ['us-only', 'silent-only', 'silent-us', 'trainer-only']) {
        for (const path of ['chat/completions', 'messages', 'messages/count_tokens']) {
          const { status, error } = await ask(model, gateway.apiKey, path)
          assert.deepEqual(
            [status, error?.code, error?.type],
            [403, 'policy_denied', 'DataPolicyError'],
            `${model} ${path}`,
          )
        }
        const shown = await fetch(`${gateway.baseUrl}/zen/v1/models/${model}`, {
          headers: { authorization: `Bearer ${gateway.apiKey}` },
        })
        assert.equal(shown.status, 404)
      }
      providers.eu.answer = 'failure'
      assert.equal((await ask('eu-us')).error?.code, 'upstream_unavailable')
      const { us, silent, trainer } = providers
      assert.deepEqual(
        [us, silent, trainer].map((provider) => provider.connections()),
        [0, 0, 0],
      )
    })

    it('keeps providers that train on prompts off until an admin accepts', async (t) => {
      const { providers, ask, listed, allow } = await startPolicyWorld(t, engine)
      const refused = await ask('trainer-only')
      assert.deepEqual(
        [refused.status, refused.error?.code, refused.error?.type],
        [403, 'policy_denied', 'DataPolicyError'],
      )
      assert.match(refused.error?.message ?? '', /train on prompts/)
      assert.equal(idsIn(await listed()).includes('trainer-only'), false)
      assert.equal(providers.trainer.connections(), 0)
      await allow('--allow-training', 'on')
      assert.equal((await ask('trainer-only')).status, 200)
      await allow('--allow-training', 'off')
      assert.equal((await ask('trainer-only')).error?.code, 'policy_denied')
      // Who has no workspace has no policy: the operator's word stands, as the statement says.
      assert.equal((await ask('trainer-only', null)).status, 200)
    })

    it('switches models off and on, and new ones by its curation', async (t) => {
      const { providers, ask, listed, allow } = await startPolicyWorld(t, engine)
      await allow('--models', 'us-only')
      const refused = await ask('us-only')
      assert.deepEqual(
        [refused.status, refused.error?.code, refused.error?.type],
        [403, 'model_disabled', 'ModelError'],
      )
      assert.equal((await ask('eu-us')).status, 200)
      await allow('--curation', 'only')
      assert.equal((await ask('eu-us')).error?.code, 'model_disabled')
      assert.deepEqual(idsIn(await listed()), ['us-only'])
      assert.equal(providers.us.connections(), 0)
      assert.equal((await ask('us-only')).status, 200)
      assert.equal((await ask('no-such-model')).error?.code, 'model_not_found')
    })
  })
})
