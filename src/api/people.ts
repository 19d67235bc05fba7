/** The people of the instance, for its operators; and oneself. */
import type { z } from 'zod'
import { formatInstant } from '../base/time.ts'
import {
  disablePerson,
  enablePerson,
  listPeople,
  readMe,
  readPerson,
  updateMe,
  updatePerson,
} from '../contract/people.ts'
import * as people from '../control/sign-in/people.ts'
import type { Person } from '../store/person.ts'
import { serve } from './operation-route.ts'
import { readPage, toPage } from './page.ts'
import type { RouteDefinition } from './routes.ts'
import { personOf } from './session.ts'

export const peopleRoutes: readonly RouteDefinition[] = [
  serve(listPeople, async ({ control }, { query }) => {
    const { limit, after } = readPage(query)
    const rows = await people.listPeople(control.database, after ?? '', limit + 1)
    return toPage(rows, limit, ({ id }) => id, view)
  }),
  serve(readPerson, async ({ control }, { params }) => view(await people.readPerson(control.database, params.person))),
  serve(updatePerson, async ({ control, acting }, { params, body }) => {
    const { name, is_operator: isOperator } = body
    const canProve = control.mail() !== null
    return view(await people.updatePerson(control.database, acting, params.person, { name, isOperator }, { canProve }))
  }),
  serve(disablePerson, async ({ control, acting }, { params }) =>
    view(await people.disablePerson(control.database, acting, params.person)),
  ),
  serve(enablePerson, async ({ control, acting }, { params }) =>
    view(await people.enablePerson(control.database, acting, params.person)),
  ),
  serve(readMe, async ({ control, principal }) =>
    view(await people.readPerson(control.database, personOf(principal).personId)),
  ),
  serve(updateMe, async ({ control, principal, acting }, { body: { name } }) =>
    view(await people.updatePerson(control.database, acting, personOf(principal).personId, { name })),
  ),
]

function view(person: Person): z.input<typeof readPerson.reply> {
  return {
    id: person.id,
    email: person.email,
    name: person.name,
    is_operator: person.isOperator,
    address_proved: person.emailProvedAtMs !== null,
    has_password: person.password !== null,
    created_at: formatInstant(person.createdAtMs),
    disabled_at: person.disabledAtMs === null ? null : formatInstant(person.disabledAtMs),
  }
}
