/** Settings of the instance: what they are, where they come from, and those that may be changed while it runs. */
import { z } from 'zod'
import { operation } from './operation.ts'

const setting = z.strictObject({
  name: z.string().describe('Its place in the configuration file, or what the environment calls it.'),
  value: z.unknown().describe('Null for a secret, and for what is not set.'),
  source: z.enum(['environment', 'file', 'console', 'default']),
  where: z.string().nullable().describe('The variable, or the path of the file.'),
  locked: z.boolean().describe('It cannot be changed here.'),
})

export const listSettings = operation({
  id: 'setting.list',
  method: 'GET',
  path: '/api/settings',
  access: 'operator',
  rate: 'read',
  scope: 'read',
  summary: 'Every setting of the instance, with where its value comes from.',
  reply: z.strictObject({ data: z.array(setting) }),
})

export const updateSetting = operation({
  id: 'setting.update',
  method: 'PUT',
  path: '/api/settings/{setting}',
  access: 'operator',
  rate: 'write',
  scope: 'manage',
  summary: 'Changes a setting in every process within a second, unless the environment or the file fixes it.',
  body: z.strictObject({ value: z.unknown().describe('Of the form that it has in the configuration file.') }),
  reply: setting,
})

export const resetSetting = operation({
  id: 'setting.reset',
  method: 'DELETE',
  path: '/api/settings/{setting}',
  access: 'operator',
  rate: 'write',
  scope: 'manage',
  summary: 'Takes a change back: the setting is again what it is by default.',
  reply: setting,
})
