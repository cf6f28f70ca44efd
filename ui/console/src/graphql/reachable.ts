import { useQuery } from 'urql';
import { ClusterHealthDocument } from './generated';

/** Whether the environment's cluster answered last; the shell keeps that fresh. */
export function useReachable(environment: string): boolean {
  const [{ data }] = useQuery({ query: ClusterHealthDocument, requestPolicy: 'cache-first' });
  return data?.environments.nodes.some(({ name, reachable }) => name === environment && reachable) ?? false;
}
