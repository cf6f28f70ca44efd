// The places to deploy to: how their clusters are, what they allow, how much runs there.
import { Anchor, Group, Stack, Text } from '@mantine/core';
import { useEffect, useMemo } from 'react';
import { Link } from 'react-router';
import { EnvironmentsDocument, type EnvironmentsQuery } from '@/graphql/generated';
import { useLiveQuery } from '@/graphql/live';
import { Chip } from '@/parts/chips';
import { Empty } from '@/parts/empty';
import { Page } from '@/parts/page';
import { cpu, memory } from '@/parts/quantity';
import { Badge, Reachable } from '@/parts/status';
import { DataTable, type ColumnDef } from '@/parts/table';
import { When } from '@/parts/when';
import { paths } from '@/paths';

type Environment = EnvironmentsQuery['environments']['nodes'][number];
const AGAIN_MS = 10_000;

export default function Environments() {
  const [{ data, fetching, error }, again] = useLiveQuery(EnvironmentsDocument, {});
  // Health is looked at, not told by an event.
  useEffect(() => {
    const timer = setInterval(() => again({ requestPolicy: 'network-only' }), AGAIN_MS);
    return () => clearInterval(timer);
  }, [again]);
  const columns = useMemo(() => makeColumns(), []);
  return (
    <Page title="Environments">
      <DataTable
        label="Environments"
        columns={columns}
        list={
          data && {
            nodes: data.environments.nodes,
            pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
          }
        }
        asked={{}}
        fetching={fetching}
        error={error}
        again={again}
        minWidth={720}
        empty={
          <Empty title="There is no environment">
            An operator writes them into the file that MERLIN_ENVIRONMENTS_FILE names.
          </Empty>
        }
      />
    </Page>
  );
}

function makeColumns(): ColumnDef<Environment>[] {
  return [
    {
      id: 'name',
      header: 'Environment',
      cell: ({ row: { original: environment } }) => (
        <Group gap="xs" wrap="nowrap">
          <Anchor component={Link} size="sm" fw={600} to={paths.environment(environment.name)}>
            {environment.name}
          </Anchor>
          {environment.isDefault && <Chip text="default" />}
          {environment.detached && (
            <Badge tone="warn" word="Detached" more="Gone from the configuration while in use: no new deploys." />
          )}
        </Group>
      ),
    },
    {
      id: 'health',
      header: 'Cluster',
      cell: ({ row: { original: environment } }) => (
        <Stack gap={0}>
          <Group gap="xs" wrap="nowrap">
            <Text size="sm">{environment.cluster}</Text>
            <Reachable reachable={environment.reachable} />
          </Group>
          {environment.healthMessage && (
            <Text size="xs" c="dimmed" lineClamp={2}>
              {environment.healthMessage}
            </Text>
          )}
          {environment.healthAt && (
            <Text size="xs" c="dimmed">
              changed <When at={environment.healthAt} />
            </Text>
          )}
        </Stack>
      ),
    },
    {
      id: 'running',
      header: 'Deployed',
      meta: { numeric: true },
      cell: ({ row }) => row.original.versionEndpoints.totalCount.toLocaleString('en'),
    },
    {
      id: 'serving',
      header: 'Served',
      meta: { numeric: true },
      cell: ({ row }) => row.original.modelEndpoints.totalCount.toLocaleString('en'),
    },
    {
      id: 'limits',
      header: 'At most',
      cell: ({ row }) =>
        limitsOf(row.original.limits).map((each) => (
          <div key={each} style={{ whiteSpace: 'nowrap' }}>
            {each}
          </div>
        )),
    },
  ];
}

/** What it allows, in a few words. */
export function limitsOf(limits: Environment['limits']): string[] {
  const { maxCpu, maxMemory, maxReplicas, maxDeployedVersionsPerModel: versions } = limits;
  const pod = [maxCpu && cpu(maxCpu), maxMemory && memory(maxMemory)].filter(Boolean).join(', ');
  const said = [
    pod && `${pod} a pod`,
    maxReplicas !== null && `${maxReplicas} ${maxReplicas === 1 ? 'pod' : 'pods'} a version`,
    versions !== null && `${versions} ${versions === 1 ? 'version' : 'versions'} a model`,
  ].filter((each) => typeof each === 'string' && each !== '') as string[];
  return said.length > 0 ? said : ['no limit'];
}
