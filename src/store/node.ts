/** SQL of the nodes: the processes that take requests, and whether they still live. */
import type { Sql } from './database.ts'

export interface NodeRow {
  readonly id: string
  /** Where it keeps its spill; a later process of the same place speaks for an earlier one. */
  readonly place: string
  readonly beat: bigint
}

export async function insertNode(sql: Sql, node: { id: string; place: string }, nowMs: number): Promise<void> {
  await sql.run('INSERT INTO node (id, place, started_at) VALUES (?, ?, ?)', node.id, node.place, nowMs)
}

/** Returns whether the node still counts as alive. */
export async function beatNode(sql: Sql, id: string): Promise<boolean> {
  return (await sql.run('UPDATE node SET beat = beat + 1 WHERE id = ? AND ended_at IS NULL', id)) === 1
}

/** Declares a node dead, unless its beat went on since it was seen. Returns whether it was alive until now. */
export async function endNode(sql: Sql, node: NodeRow, nowMs: number): Promise<boolean> {
  const ended = 'UPDATE node SET ended_at = ? WHERE id = ? AND beat = ? AND ended_at IS NULL'
  return (await sql.run(ended, nowMs, node.id, node.beat)) === 1
}

export function listLiveNodes(sql: Sql): Promise<NodeRow[]> {
  return sql.all<NodeRow>('SELECT id, place, beat FROM node WHERE ended_at IS NULL ORDER BY id')
}

/** Nodes that have ended, or are not known at all, and still have requests open. */
export function listDeadNodesWithHolds(sql: Sql): Promise<{ id: string }[]> {
  return sql.all<{ id: string }>(
    'SELECT DISTINCT r.node_id AS id FROM request r LEFT JOIN node n ON n.id = r.node_id' +
      " WHERE r.state = 'held' AND r.node_id IS NOT NULL AND (n.id IS NULL OR n.ended_at IS NOT NULL) ORDER BY 1",
  )
}
