// Version endpoints of several models as a table: which, how they are, why.
import { SegmentedControl, Text } from '@mantine/core';
import { useMemo } from 'react';
import type { CombinedError } from 'urql';
import type { EndpointLineFragment, VersionEndpointFilter } from '@/graphql/generated';
import { START, useAddress, usePaging } from './address';
import { Empty } from './empty';
import { EndpointLink } from './endpoint-link';
import { EndpointBadge, whyOf } from './status';
import { DataTable, type ColumnDef } from './table';
import { When } from './when';

const SIZE = 25;
const views: Record<string, { label: string; filter: VersionEndpointFilter }> = {
  deployed: { label: 'Deployed', filter: { lifecycle: ['PENDING', 'RUNNING', 'SERVING'] } },
  running: { label: 'Running', filter: { lifecycle: ['RUNNING'] } },
  trouble: { label: 'Failed', filter: { lifecycle: ['FAILED'] } },
  unhealthy: { label: 'Unhealthy', filter: { healthy: false, lifecycle: ['RUNNING', 'SERVING'] } },
  progress: { label: 'Under way', filter: { progressing: true } },
  all: { label: 'All', filter: {} },
};

/** Which of them the address asks for, and where in the list it is. */
export function useEndpointView() {
  const view = useAddress().one('view') ?? 'deployed';
  const paging = usePaging(SIZE);
  return { view, paging, place: paging.place, filter: (views[view] ?? views.deployed)!.filter };
}

export function EndpointList(props: {
  label: string;
  list: Parameters<typeof DataTable<EndpointLineFragment>>[0]['list'];
  view: ReturnType<typeof useEndpointView>;
  /** Whether it is told in which environment each is. */
  places?: boolean;
  /** That nothing is deployed. */
  none: string;
  asked: object;
  fetching: boolean;
  error?: CombinedError;
  again?: () => void;
}) {
  const { set } = useAddress();
  const { view, places = false } = props;
  const columns = useMemo(() => makeColumns(places), [places]);
  return (
    <>
      <SegmentedControl
        size="sm"
        aria-label="Which endpoints"
        value={view.view}
        onChange={(next) => set({ view: next === 'deployed' ? null : next, ...START })}
        data={Object.entries(views).map(([value, { label }]) => ({ value, label }))}
        style={{ alignSelf: 'flex-start', maxWidth: '100%', overflowX: 'auto' }}
      />
      <DataTable
        label={props.label}
        columns={columns}
        list={props.list}
        asked={props.asked}
        fetching={props.fetching}
        error={props.error}
        again={props.again}
        paging={view.paging}
        noun={['endpoint', 'endpoints']}
        empty={
          <Empty title="Nothing">
            {view.view === 'deployed' ? props.none : 'No endpoint that you may see is so now.'}
          </Empty>
        }
      />
    </>
  );
}

const PLACE: ColumnDef<EndpointLineFragment> = {
  id: 'place',
  header: 'Environment',
  cell: ({ row }) => row.original.environment.name,
};

function makeColumns(places: boolean): ColumnDef<EndpointLineFragment>[] {
  return [
    {
      id: 'of',
      header: 'Version',
      cell: ({ row }) => <EndpointLink endpoint={row.original} />,
    },
    ...(places ? [PLACE] : []),
    { id: 'status', header: 'Status', cell: ({ row }) => <EndpointBadge endpoint={row.original} /> },
    {
      id: 'why',
      header: 'Why',
      cell: ({ row: { original: endpoint } }) => (
        <Text size="sm" c="dimmed" lineClamp={2} maw={420}>
          {whyOf(endpoint)}
        </Text>
      ),
    },
    {
      id: 'weight',
      header: 'Traffic',
      meta: { numeric: true },
      cell: ({ row }) => (row.original.servingWeight > 0 ? `${row.original.servingWeight} %` : '–'),
    },
    {
      id: 'changed',
      header: 'Changed',
      meta: { numeric: true },
      cell: ({ row }) => <When at={row.original.updatedAt} />,
    },
  ];
}
