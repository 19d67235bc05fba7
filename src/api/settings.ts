/** Settings of the instance, for operators. */
import * as shapes from '../contract/settings.ts'
import { changeSetting, resetSetting, type SettingView } from '../control/setting.ts'
import { serve } from './operation-route.ts'
import type { RouteDefinition } from './routes.ts'

export const settingRoutes: readonly RouteDefinition[] = [
  serve(shapes.listSettings, async ({ control }) => ({ data: control.settings().map(replyOf) })),
  serve(shapes.updateSetting, async ({ control, acting }, { params, body }) => {
    const change = { name: params.setting, value: body.value, inForce: control.settings() }
    return replyOf(await changeSetting(control.database, acting, change))
  }),
  serve(shapes.resetSetting, async ({ control, acting }, { params }) => {
    const change = { name: params.setting, inForce: control.settings() }
    return replyOf(await resetSetting(control.database, acting, change))
  }),
]

function replyOf({ isLocked, value = null, ...rest }: SettingView) {
  return { ...rest, value, locked: isLocked }
}
