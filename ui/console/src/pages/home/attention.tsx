// What an operator looks at first: failures, then what is under way. Silent when all is well.
import { Button, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { Fragment, useState } from 'react';
import {
  AttentionDocument,
  AttentionOnDocument,
  type EndpointLinesFragment,
  type EndpointLineFragment,
  type VersionEndpointFilter,
} from '@/graphql/generated';
import { useLiveQuery } from '@/graphql/live';
import { EndpointLink } from '@/parts/endpoint-link';
import { useFocusThatStays } from '@/parts/focus-stays';
import { ErrorPanel } from '@/parts/problems';
import { EndpointBadge, whyOf } from '@/parts/status';
import { When } from '@/parts/when';

/** How many more are shown at once. */
const MORE = 20;
const failed: VersionEndpointFilter = { lifecycle: ['FAILED'] };
const unhealthy: VersionEndpointFilter = { healthy: false, lifecycle: ['RUNNING', 'SERVING'] };
const underWay: VersionEndpointFilter = { progressing: true };

type Kind = { word: string; filter: VersionEndpointFilter; why?: boolean };
type Listed = Kind & { page: EndpointLinesFragment };

/** `quiet`: says nothing of its own error, since the page tells one already. */
export function Attention({ quiet = false }: { quiet?: boolean }) {
  const [{ data, error }, again] = useLiveQuery(AttentionDocument, { failed, unhealthy, underWay });
  if (!data)
    return error && !quiet ? <ErrorPanel error={error} again={() => again({ requestPolicy: 'network-only' })} /> : null;
  const wrong: Listed[] = [
    { word: 'failed', filter: failed, page: data.failed, why: true },
    { word: 'unhealthy', filter: unhealthy, page: data.unhealthy, why: true },
  ];
  const going: Listed[] = [{ word: 'under way', filter: underWay, page: data.underWay }];
  const panels = [
    { title: 'Needs attention', lists: wrong },
    { title: 'Under way', lists: going },
  ].filter(({ lists }) => lists.some(({ page }) => page.nodes.length > 0));
  if (panels.length === 0) return null;
  return (
    <SimpleGrid cols={{ base: 1, md: panels.length }}>
      {panels.map((panel) => (
        <Endpoints key={panel.title} {...panel} />
      ))}
    </SimpleGrid>
  );
}

function Endpoints({ title, lists }: { title: string; lists: Listed[] }) {
  const total = lists.reduce((sum, { page }) => sum + page.totalCount, 0);
  return (
    <Stack className="panel" p="md" gap="sm" component="section" aria-label={title}>
      <Group gap="xs">
        <Title order={2}>{title}</Title>
        <Text c="dimmed" className="numbers">
          {total}
        </Text>
      </Group>
      {lists.map(({ page, ...kind }) => (
        <Fragment key={kind.word}>
          <Lines endpoints={page.nodes} why={kind.why} />
          <More kind={kind} after={page} left={page.totalCount - page.nodes.length} />
        </Fragment>
      ))}
    </Stack>
  );
}

/** What follows a page of them: a button, then the next page and what follows that. */
function More({ kind, after, left }: { kind: Kind; after: EndpointLinesFragment; left: number }) {
  const { hasNextPage, endCursor } = after.pageInfo;
  const [isOpen, setOpen] = useState(false);
  const [{ data, error }, again] = useLiveQuery(
    AttentionOnDocument,
    { filter: kind.filter, first: MORE, after: endCursor },
    {},
    { pause: !isOpen || !hasNextPage },
  );
  // The button gives way to what it brought.
  const focus = useFocusThatStays<HTMLDivElement>((brought) => brought.querySelector('a, button'));
  if (!hasNextPage) return null;
  const page = isOpen ? data?.versionEndpoints : undefined;
  return (
    <Stack gap="sm" {...focus}>
      {error && <ErrorPanel error={error} again={() => again({ requestPolicy: 'network-only' })} />}
      {page ? (
        <>
          <Lines endpoints={page.nodes} why={kind.why} />
          <More kind={kind} after={page} left={left - page.nodes.length} />
        </>
      ) : (
        !error && (
          <Button
            variant="default"
            size="xs"
            loading={isOpen}
            onClick={() => setOpen(true)}
            style={{ alignSelf: 'flex-start' }}
          >
            Show {left > MORE ? `${MORE} of ${left.toLocaleString('en')}` : left} more {kind.word}
          </Button>
        )
      )}
    </Stack>
  );
}

function Lines({ endpoints, why }: { endpoints: EndpointLineFragment[]; why?: boolean }) {
  return endpoints.map((endpoint) => <Line key={endpoint.id} endpoint={endpoint} why={why} />);
}

function Line({ endpoint, why }: { endpoint: EndpointLineFragment; why?: boolean }) {
  return (
    <div>
      <Group gap="sm" justify="space-between" wrap="nowrap">
        <Group gap="sm">
          <EndpointBadge endpoint={endpoint} />
          <EndpointLink endpoint={endpoint} />
          <Text size="sm" c="dimmed">
            in {endpoint.environment.name}
          </Text>
        </Group>
        <Text size="sm" c="dimmed">
          <When at={endpoint.updatedAt} />
        </Text>
      </Group>
      {why && whyOf(endpoint) && (
        <Text size="sm" c="dimmed" lineClamp={2} pl={22}>
          {whyOf(endpoint)}
        </Text>
      )}
    </div>
  );
}
