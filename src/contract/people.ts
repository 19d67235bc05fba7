/** The people of the instance, for its operators; and oneself. */
import { z } from 'zod'
import { operation } from './operation.ts'
import { instant, name, page, pageQuery } from './shapes.ts'

const person = z.strictObject({
  id: z.string(),
  email: z.string(),
  name: z.string(),
  is_operator: z.boolean(),
  address_proved: z.boolean().describe('False while nobody has shown that the address is its own.'),
  has_password: z.boolean(),
  created_at: instant,
  disabled_at: instant.nullable(),
})

export const listPeople = operation({
  id: 'person.list',
  method: 'GET',
  path: '/api/people',
  access: 'operator',
  rate: 'read',
  scope: null,
  summary: 'Everybody who has an account, oldest first.',
  query: pageQuery,
  reply: page(person),
})

export const readPerson = operation({
  id: 'person.read',
  method: 'GET',
  path: '/api/people/{person}',
  access: 'operator',
  rate: 'read',
  scope: null,
  summary: 'One account.',
  reply: person,
})

export const updatePerson = operation({
  id: 'person.update',
  method: 'PATCH',
  path: '/api/people/{person}',
  access: 'operator',
  rate: 'write',
  scope: null,
  summary: 'Changes the name of an account, or whether it runs the instance. One operator stays.',
  body: z.strictObject({ name: name.optional(), is_operator: z.boolean().optional() }),
  reply: person,
  isSensitive: true,
})

export const disablePerson = operation({
  id: 'person.disable',
  method: 'POST',
  path: '/api/people/{person}/disable',
  access: 'operator',
  rate: 'write',
  scope: null,
  summary: 'Shuts somebody out: sessions end, keys are refused. One operator stays.',
  reply: person,
  isSensitive: true,
})

export const enablePerson = operation({
  id: 'person.enable',
  method: 'POST',
  path: '/api/people/{person}/enable',
  access: 'operator',
  rate: 'write',
  scope: null,
  summary: 'Lets somebody in again; keys work again, sessions do not.',
  reply: person,
  isSensitive: true,
})

export const readMe = operation({
  id: 'me.read',
  method: 'GET',
  path: '/api/me',
  access: 'person',
  rate: 'read',
  scope: null,
  summary: 'The own account.',
  reply: person,
})

export const updateMe = operation({
  id: 'me.update',
  method: 'PATCH',
  path: '/api/me',
  access: 'person',
  rate: 'write',
  scope: null,
  summary: 'Changes the own name.',
  body: z.strictObject({ name }),
  reply: person,
})
