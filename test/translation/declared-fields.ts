/**
 * The fields of a request as its vendor's SDK declares them, by path: `thinking.budget_tokens`,
 * `messages[].content[]<image>.cache_control` (the members of a union are told apart by their `type` or `role`).
 */
import { type Declarations, type Member, membersOf, split } from './declarations.ts'

export interface DeclaredField {
  readonly path: string
  readonly type: string
  /** Members that their object cannot be without stand in its own sample. */
  readonly isRequired: boolean
}

interface Walk {
  readonly declarations: Declarations
  readonly fields: Map<string, DeclaredField>
  /** Objects that stand in several places are looked into at the first. */
  readonly seen: Set<string>
  /** Paths whose insides travel as one value. */
  readonly isWhole: (path: string) => boolean
}

/** All fields below the members of `root`. */
export function declaredFields(
  declarations: Declarations,
  root: string,
  options: { prefix?: string; isWhole: (path: string) => boolean; seen?: Set<string> },
): DeclaredField[] {
  const walk: Walk = { declarations, fields: new Map(), seen: options.seen ?? new Set(), isWhole: options.isWhole }
  addMembers(membersOfName(root, declarations), options.prefix ?? '', walk, true)
  return [...walk.fields.values()]
}

function addMembers(members: readonly Member[], prefix: string, walk: Walk, isTop = false): void {
  for (const { name, type, isOptional } of members) {
    if (!isTop && (name === 'type' || name === 'role')) continue
    const path = prefix === '' ? name : `${prefix}.${name}`
    if (!walk.fields.has(path)) walk.fields.set(path, { path, type, isRequired: !isOptional && !isTop })
    if (!walk.isWhole(path)) addInside(type, path, walk)
  }
}

function addInside(type: string, path: string, walk: Walk): void {
  const objects = objectsOf(type, walk.declarations)
  for (const { key, isList, members, label } of objects) {
    const place = `${path}${isList ? '[]' : ''}`
    const isUnion = label !== null && objects.filter((other) => other.isList === isList).length > 1
    const labelled = isUnion ? `${place}<${label}>` : place
    if (walk.seen.has(key)) continue
    if (isUnion && !walk.fields.has(labelled))
      walk.fields.set(labelled, { path: labelled, type: key, isRequired: false })
    walk.seen.add(key)
    if (walk.isWhole(labelled)) continue
    addMembers(members, labelled, walk)
  }
}

export interface ObjectType {
  /** Its name, or its text when it has none. */
  readonly key: string
  readonly isList: boolean
  readonly members: readonly Member[]
  /** The literal of its `type` or `role`. */
  readonly label: string | null
}

/** The object types that a type allows, unions and lists opened. */
export function objectsOf(type: string, declarations: Declarations, isList = false, depth = 0): ObjectType[] {
  if (depth > 12) return []
  const options = split(type, '|')
  if (options.length > 1) return options.flatMap((option) => objectsOf(option, declarations, isList, depth + 1))
  const text = (options[0] ?? '').replace(/^\(([\s\S]*)\)$/, '$1').trim()
  const list = /^(?:Readonly)?Array<([\s\S]*)>$/.exec(text)?.[1] ?? /^([\s\S]*)\[\]$/.exec(text)?.[1]
  if (list !== undefined) return objectsOf(list, declarations, true, depth + 1)
  if (text.startsWith('{')) {
    const members = membersOf(text.slice(1, -1))
    return members.length === 0 ? [] : [{ key: text, isList, members, label: labelOf(members) }]
  }
  const name = knownName(text, declarations)
  if (name === null) return []
  const alias = declarations.aliases.get(name)
  if (alias !== undefined) return objectsOf(alias, declarations, isList, depth + 1)
  const members = membersOfName(name, declarations)
  return [{ key: name, isList, members, label: labelOf(members) ?? name }]
}

function knownName(text: string, { interfaces, aliases }: Declarations): string | null {
  if (!/^[\w.$]+$/.test(text)) return null
  // `Shared.Reasoning`, `MessagesAPI.Model`: modules are not told apart.
  const candidates = [text, text.replace(/^\w+\./, ''), text.replace(/_\d+$/, '')]
  const isKnown = (name: string): boolean => interfaces.has(name) || aliases.has(name)
  const inside = `.${text}`
  // Within a namespace its own names stand without it.
  return (
    candidates.find(isKnown) ??
    interfaces.keys().find((name) => name.endsWith(inside)) ??
    aliases.keys().find((name) => name.endsWith(inside)) ??
    null
  )
}

function membersOfName(name: string, declarations: Declarations): Member[] {
  const found = declarations.interfaces.get(name)
  if (!found) {
    const alias = declarations.aliases.get(name)
    return alias === undefined ? [] : objectsOf(alias, declarations).flatMap((object) => object.members)
  }
  const inherited = found.bases.flatMap((base) => membersOfName(knownName(base, declarations) ?? '', declarations))
  const own = new Set(found.members.map((member) => member.name))
  return [...inherited.filter((member) => !own.has(member.name)), ...found.members]
}

function labelOf(members: readonly Member[]): string | null {
  for (const name of ['type', 'role']) {
    const literals = /^'([^']+)'/.exec(members.find((member) => member.name === name)?.type ?? '')
    if (literals) return literals[1] as string
  }
  return null
}
