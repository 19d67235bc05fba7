/** `GET /api/openapi.json`: the API's own description, for people and for generators of clients. */
import { allOperations } from '../contract/all-operations.ts'
import { type OpenApiDocument, openApiDocument, readOpenApi } from '../contract/openapi.ts'
import { serve } from './operation-route.ts'
import type { RouteDefinition } from './routes.ts'

/** Made once for each address under which the instance is reached, which hardly ever changes. */
let made: { readonly publicUrl: string; readonly document: OpenApiDocument } | null = null

export const openApiRoutes: readonly RouteDefinition[] = [
  serve(readOpenApi, async ({ control }) => {
    const publicUrl = control.publicUrl()
    if (made?.publicUrl !== publicUrl) made = { publicUrl, document: openApiDocument(allOperations, publicUrl) }
    return { ...made.document }
  }),
]
