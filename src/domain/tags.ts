/**
 * The tags that a client puts on a request (`x-zendo-tags: team=core,nightly`), to sum its use by. Pure.
 *
 * Stored as one text with a comma before and behind each tag (`,nightly,team=core,`), sorted and without doubles: equal
 * sets of tags are then equal texts, and one tag is found in it by its text with both commas.
 */

export const MAX_TAGS = 10
/** Letters, digits and `_ . : = / -`, 64 at most. */
const TAG = /^[\w.:=/-]{1,64}$/

export function isTag(text: string): boolean {
  return TAG.test(text)
}

/**
 * Reads the header into the stored form; null when nothing in it is a tag. What is not one, and what comes after the
 * tenth, is left out: a request is not refused for how it is labelled.
 */
export function formatTags(header: string | undefined): string | null {
  return header === undefined ? null : storedTags(readTags(header))
}

/**
 * The tags of a request by its key and its header, in the stored form. Those of the key stand on each of its requests:
 * they come first, and the header cannot say anything else under a name that the key has a tag of.
 */
export function mergeTags(ofKey: readonly string[], header: string | undefined): string | null {
  if (ofKey.length === 0) return formatTags(header)
  const taken = new Set(ofKey.map(nameOf))
  return storedTags([...ofKey, ...readTags(header ?? '').filter((tag) => !taken.has(nameOf(tag)))])
}

function readTags(header: string): string[] {
  return header
    .split(',')
    .map((text) => text.trim())
    .filter(isTag)
}

/** `team` of `team=core`. */
function nameOf(tag: string): string {
  return tag.split('=', 1)[0] as string
}

function storedTags(tags: readonly string[]): string | null {
  const kept = [...new Set(tags)].slice(0, MAX_TAGS).sort()
  return kept.length === 0 ? null : `,${kept.join(',')},`
}

/** The tags in a stored text. */
export function parseTags(stored: string | null): readonly string[] {
  return stored === null ? [] : stored.split(',').filter((tag) => tag !== '')
}

/** How one tag stands in a stored text. */
export function storedTag(tag: string): string {
  return `,${tag},`
}

/**
 * What the tags say of a name: `core` of `team=core`; of several of that name all, comma separated; the empty text of a
 * tag without a value; null when no tag has the name.
 */
export function tagValue(stored: string | null, name: string): string | null {
  const values = parseTags(stored)
    .filter((tag) => tag === name || tag.startsWith(`${name}=`))
    .map((tag) => tag.slice(name.length + 1))
  return values.length === 0 ? null : values.join(',')
}
