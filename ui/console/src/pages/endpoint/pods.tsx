// The pods as the cluster has them now, asked again whenever something happens.
import { Group, Table, Text } from '@mantine/core';
import { useRef } from 'react';
import type { CombinedError } from 'urql';
import { EndpointPodsDocument, type EndpointPodsQuery } from '@/graphql/generated';
import { useLiveQuery } from '@/graphql/live';
import { mayPass, problemOf } from '@/graphql/problem';
import { useRecovery } from '@/graphql/recovery';
import { ErrorPanel } from '@/parts/problems';
import { Badge } from '@/parts/status';
import { When } from '@/parts/when';
import type { Of } from './endpoint';

export type Pod = NonNullable<Extract<NonNullable<EndpointPodsQuery['node']>, { pods: unknown }>['pods']>[number];
/** Undefined until they are known. */
export type Seen = { pods: Pod[] | undefined; error?: CombinedError; again: () => void };

export function usePods({ project, model, endpoint, reachable }: Of): Seen {
  const [answer, ask] = useLiveQuery(EndpointPodsDocument, { id: endpoint.id }, { project, model });
  const node = answer.data?.node;
  const pods = node && 'pods' in node ? (node.pods ?? undefined) : undefined;
  // What went wrong stands until they are known again: urql forgets it as soon as it asks.
  const last = useRef(answer.error);
  if (answer.error || pods) last.current = answer.error;
  const error = last.current;
  const again = () => ask({ requestPolicy: 'network-only' });
  useRecovery(error && mayPass(problemOf(error)) ? error : undefined, reachable, again);
  return { pods, error, again };
}

export function Pods({ pods, error, again }: Seen) {
  if (error && !pods)
    return (
      <section aria-label="Pods">
        <Text size="sm" c="dimmed" mb={6}>
          Its pods cannot be seen now.
        </Text>
        <ErrorPanel error={error} again={again} />
      </section>
    );
  if (!pods) return null;
  if (pods.length === 0)
    return (
      <Text size="sm" c="dimmed">
        There are no pods.
      </Text>
    );
  return (
    <Table.ScrollContainer minWidth={560} type="native">
      <Table aria-label="Pods" verticalSpacing={4}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Pod</Table.Th>
            <Table.Th>State</Table.Th>
            <Table.Th className="number">Made by revision</Table.Th>
            <Table.Th className="number">Restarts</Table.Th>
            <Table.Th className="number">Made</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {pods.map((pod) => (
            <Table.Tr key={pod.name}>
              <Table.Td className="mono">{pod.name}</Table.Td>
              <Table.Td>
                <Group gap="xs">
                  {pod.ready ? (
                    <Badge tone="good" word="Ready" />
                  ) : (
                    <Badge tone={pod.phase === 'Failed' ? 'bad' : 'busy'} word={pod.phase} />
                  )}
                  {pod.message && (
                    <Text size="xs" c="dimmed">
                      {pod.message}
                    </Text>
                  )}
                </Group>
              </Table.Td>
              <Table.Td className="number">{pod.revision ?? '–'}</Table.Td>
              <Table.Td className="number">{pod.restarts}</Table.Td>
              <Table.Td className="number">
                <When at={pod.createdAt} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
