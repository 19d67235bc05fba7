/** Cuts a body into random pieces, some of one byte and some inside a character, as a network may. */
import { pickInteger, type Random } from './random.ts'

/** Bodies up to this size are at times sent one byte at a time. */
const BYTEWISE_LIMIT = 4096
/** Chance that a multi-byte character is cut through. */
const SPLIT_CHARACTER = 0.25

/** The pieces of a body, none empty, in order and complete. */
export function cutIntoChunks(body: Buffer, random: Random): Buffer[] {
  const cuts = [...cutPoints(body, random)].sort((a, b) => a - b)
  const chunks: Buffer[] = []
  let start = 0
  for (const cut of [...cuts, body.length]) {
    if (cut > start) chunks.push(body.subarray(start, cut))
    start = cut
  }
  return chunks
}

type PieceLength = (random: Random) => number

/** All bytes alone, pieces of a network packet, or bursts that fill every buffer on the way. */
function choosePieces(body: Buffer, random: Random): PieceLength {
  const kind = random()
  if (kind < 0.25 && body.length <= BYTEWISE_LIMIT) return () => 1
  return kind < 0.75 ? packetLength : burstLength
}

function packetLength(random: Random): number {
  const kind = random()
  if (kind < 0.2) return pickInteger(random, 1, 3)
  if (kind < 0.6) return pickInteger(random, 4, 200)
  return pickInteger(random, 200, 3000)
}

function burstLength(random: Random): number {
  return random() < 0.3 ? pickInteger(random, 1, 3000) : pickInteger(random, 30_000, 300_000)
}

function cutPoints(body: Buffer, random: Random): Set<number> {
  const cuts = new Set<number>()
  const pieceLength = choosePieces(body, random)
  for (let at = pieceLength(random); at < body.length; at += pieceLength(random)) cuts.add(at)
  for (let i = 1; i < body.length; i++) {
    const insideCharacter = (body.readUInt8(i) & 0xc0) === 0x80
    if (insideCharacter && pieceLength !== burstLength && random() < SPLIT_CHARACTER) cuts.add(i)
  }
  return cuts
}
