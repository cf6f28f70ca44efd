// The versions of a model, page by page; metrics and params as columns by choice, labels and aliases changed in place.
import { Anchor, Button, Checkbox, Group, MultiSelect, Popover, Stack, Text } from '@mantine/core';
import { IconColumns3, IconGitCompare } from '@tabler/icons-react';
import { createContext, memo, useCallback, useContext, useMemo, useRef, useState } from 'react';
import { Link, useNavigate } from 'react-router';
import { useQuery } from 'urql';
import {
  ClusterHealthDocument,
  ModelVersionsDocument,
  type VersionOrder,
  type VersionRowFragment,
} from '@/graphql/generated';
import { useLiveQuery } from '@/graphql/live';
import { START, useAddress, usePaging } from '@/parts/address';
import { Chips } from '@/parts/chips';
import { CodeBlock } from '@/parts/copy';
import { Empty } from '@/parts/empty';
import { byEnvironment } from '@/parts/environments';
import { useFocusThatStays } from '@/parts/focus-stays';
import { decimalsOf, Figure, figure, moreDigitsFor } from '@/parts/quantity';
import { SearchField } from '@/parts/search';
import { EndpointBadge, VersionStateBadge } from '@/parts/status';
import { DataTable, useSort, type ColumnDef } from '@/parts/table';
import { When } from '@/parts/when';
import { paths } from '@/paths';
import { useSession } from '@/session/gate';
import { snippet } from '../home/first-run';
import { addressOf, MOST_COMPARED, numbersOf, toggled } from './chosen';
import { FilterButton, filterOf, FilterPills, isFiltered, NO_FILTER } from './filters';
import type { Of } from './model';

const SIZE = 25;
const USUAL_METRICS = 2;

export function orderOf({ key, descending }: { key: string; descending: boolean }): VersionOrder[] {
  const direction = descending ? 'DESC' : 'ASC';
  if (key.startsWith('metric:')) return [{ field: 'METRIC', key: key.slice('metric:'.length), direction }];
  if (key.startsWith('param:')) return [{ field: 'PARAM', key: key.slice('param:'.length), direction }];
  if (key === 'created') return [{ field: 'CREATED_AT', direction }];
  return [{ field: 'NUMBER', direction }];
}

/** Drawn again for its own news only: the page around it has others. */
export const Versions = memo(DrawnVersions);

function DrawnVersions(of: Of) {
  const { project, model } = of;
  const address = useAddress();
  const sort = useSort('-number');
  const paging = usePaging(SIZE);
  const chosen = numbersOf(address.all('v'));
  const navigate = useNavigate();
  const asked = { project, model, ...paging.place, filter: filterOf(address), order: orderOf(sort) };
  const [{ data, fetching, error }, again] = useLiveQuery(ModelVersionsDocument, asked, { project, model });
  const [{ data: known }] = useQuery({ query: ClusterHealthDocument, requestPolicy: 'cache-first' });
  const environments = useMemo(() => known?.environments.nodes.map(({ name }) => name) ?? [], [known]);
  const list = data?.model?.versions;
  const shown = useShownColumns(list?.nodes ?? []);
  const digits = shown.columns.map((name) => digitsIn(list?.nodes ?? [], name));
  const columns = useMemo(
    () => makeColumns(of, shown.columns, digits),
    [project, model, of.modelId, of.editable, shown.columns.join('\n'), JSON.stringify(digits)],
  );
  const choose = (numbers: number[]) => address.set({ v: numbers.map(String) }, { replace: true });
  const toggle = useRef((_: number) => {});
  toggle.current = (number) => choose(toggled(chosen, number));
  const chooseOne = useCallback((number: number) => toggle.current(number), []);
  const choice = useMemo(() => ({ chosen, choose: chooseOne }), [chosen.join()]);
  const filter = useRef<HTMLButtonElement>(null);
  // Who chose none chooses others.
  const { ref, ...focus } = useFocusThatStays<HTMLDivElement>(
    (all) => all.querySelector<HTMLElement>('tbody input') ?? filter.current,
  );
  const compare = () => void navigate(`${paths.model(project, model, 'compare')}?${addressOf(chosen)}`);
  return (
    <Stack gap="sm" ref={ref}>
      <Group gap="sm" justify="space-between">
        <Group gap="sm">
          <SearchField
            label="Find by run name"
            value={address.one('name') ?? ''}
            onSearch={(name) => address.set({ name, ...START }, { replace: true })}
          />
          <FilterButton address={address} environments={environments} button={filter} />
          <ColumnsButton shown={shown} />
        </Group>
        <Group gap="xs" {...focus}>
          {chosen.length > 0 && (
            <Button variant="subtle" color="gray" size="sm" onClick={() => choose([])}>
              Choose none
            </Button>
          )}
          <Button
            variant={chosen.length >= 2 ? 'filled' : 'default'}
            size="sm"
            leftSection={<IconGitCompare size={15} aria-hidden />}
            disabled={chosen.length < 2}
            title={chosen.length < 2 ? 'Choose two to five versions in the first column' : undefined}
            onClick={compare}
          >
            {chosen.length < 2 ? 'Compare' : `Compare ${chosen.length} versions`}
          </Button>
        </Group>
      </Group>
      <FilterPills address={address} button={filter} />
      <Choice value={choice}>
        <DataTable
          label={`Versions of ${model}`}
          columns={columns}
          list={list}
          asked={asked}
          fetching={fetching}
          error={error}
          again={again}
          sort={sort}
          paging={paging}
          noun={['version', 'versions']}
          minWidth={860}
          empty={
            isFiltered(address) ? (
              <Empty title="No version matches">
                <Button variant="light" size="xs" mt="xs" onClick={() => address.set(NO_FILTER)}>
                  Clear the filters
                </Button>
              </Empty>
            ) : (
              <NoVersions project={project} model={model} />
            )
          }
        />
      </Choice>
    </Stack>
  );
}

/** `?show=metric:accuracy&show=param:depth`; without, the first two metrics there are. */
function useShownColumns(rows: VersionRowFragment[]) {
  const address = useAddress();
  const present = useMemo(() => {
    const found = new Set<string>();
    for (const row of rows) {
      for (const { key } of row.metrics) found.add(`metric:${key}`);
      for (const { key } of row.params) found.add(`param:${key}`);
    }
    return [...found].sort();
  }, [rows]);
  return useMemo(() => {
    const asked = address.all('show');
    const columns =
      asked.length > 0
        ? asked.filter((each) => each !== 'none')
        : present.filter((each) => each.startsWith('metric:')).slice(0, USUAL_METRICS);
    return {
      columns,
      present: [...new Set([...columns, ...present])],
      show: (next: string[]) => address.set({ show: next.length > 0 ? next : ['none'] }),
    };
  }, [address, present.join('\n')]);
}

type Shown = ReturnType<typeof useShownColumns>;

const ColumnsButton = memo(({ shown: { columns, present, show } }: { shown: Shown }) => {
  const [open, setOpen] = useState(false);
  const [sought, setSought] = useState('');
  return (
    <Popover
      opened={open}
      onChange={setOpen}
      position="bottom-start"
      withArrow
      shadow="md"
      trapFocus
      returnFocus
      width={320}
    >
      <Popover.Target>
        <Button
          variant="default"
          size="sm"
          leftSection={<IconColumns3 size={15} aria-hidden />}
          onClick={() => setOpen(!open)}
          aria-expanded={open}
        >
          Columns
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <MultiSelect
          label="Metrics and params as columns"
          description="Those of this page are listed; type the name of any other."
          data={[
            { group: 'Metrics', items: offered('metric:', present, sought) },
            { group: 'Params', items: offered('param:', present, sought) },
          ]}
          searchValue={sought}
          onSearchChange={setSought}
          value={columns}
          onChange={show}
          searchable
          comboboxProps={{ withinPortal: false }}
          data-autofocus
        />
      </Popover.Dropdown>
    </Popover>
  );
});

/** What can be chosen; and what is typed, since versions of other pages may have it. */
export function offered(kind: 'metric:' | 'param:', present: string[], sought: string) {
  const known = present.filter((each) => each.startsWith(kind));
  const typed = kind + sought.trim();
  return [
    ...known.map((value) => ({ value, label: value.slice(kind.length) })),
    ...(typed === kind || known.includes(typed)
      ? []
      : [{ value: typed, label: `${sought.trim()} (not on this page)` }]),
  ];
}

// A context, so that a tick draws no cell again but the boxes.
const Choice = createContext<{ chosen: number[]; choose: (number: number) => void }>({
  chosen: [],
  choose: () => undefined,
});

function Choose({ number }: { number: number }) {
  const { chosen, choose } = useContext(Choice);
  const checked = chosen.includes(number);
  return <ChooseBox {...{ number, checked, choose }} full={!checked && chosen.length >= MOST_COMPARED} />;
}

type Choosing = { number: number; checked: boolean; full: boolean; choose: (number: number) => void };

// A tick changes one of them, or all only when it is the last.
const ChooseBox = memo(({ number, checked, full, choose }: Choosing) => (
  <span title={full ? `At most ${MOST_COMPARED} versions can be compared; untick one first.` : undefined}>
    <Checkbox
      size="xs"
      checked={checked}
      disabled={full}
      onChange={() => choose(number)}
      aria-label={`Compare version ${number}`}
    />
  </span>
));

function makeColumns(of: Of, shown: string[], digits: Digits[]): ColumnDef<VersionRowFragment>[] {
  const { project, model } = of;
  return [
    {
      id: 'choose',
      header: () => <span className="unseen">Compare</span>,
      meta: { width: 36 },
      cell: ({ row }) => <Choose number={row.original.number} />,
    },
    {
      id: 'number',
      header: 'Version',
      meta: { sort: 'number', numeric: true, width: 76 },
      cell: ({ row: { original: version } }) => (
        <Anchor
          component={Link}
          size="sm"
          fw={600}
          to={paths.version(project, model, version.number)}
          aria-label={`Version ${version.number}`}
        >
          {version.number}
        </Anchor>
      ),
    },
    {
      id: 'run',
      header: 'Run',
      cell: ({ row: { original: version } }) =>
        version.state === 'OPEN' ? (
          <Group gap={6}>
            <Text size="sm" className="giving">
              {version.run?.name}
            </Text>
            <VersionStateBadge state="OPEN" />
          </Group>
        ) : (
          <Text size="sm" className="giving">
            {version.run?.name ?? '–'}
          </Text>
        ),
    },
    {
      id: 'chips',
      header: 'Aliases and labels',
      cell: ({ row }) => <Chips modelId={of.modelId} version={row.original} editable={of.editable} />,
    },
    ...shown.map((name, place): ColumnDef<VersionRowFragment> => shownColumn(name, digits[place])),
    {
      id: 'endpoints',
      header: 'Endpoints',
      cell: ({ row: { original: version } }) => (
        <Stack gap={2}>
          {byEnvironment(version.endpoints.nodes).map((endpoint) => (
            <Group key={endpoint.id} gap={6} wrap="nowrap">
              <EndpointBadge endpoint={endpoint} />
              <Anchor
                component={Link}
                size="xs"
                to={paths.endpoint(project, model, version.number, endpoint.environment.name)}
              >
                {endpoint.environment.name}
              </Anchor>
            </Group>
          ))}
        </Stack>
      ),
    },
    {
      id: 'created',
      header: 'Created',
      meta: { sort: 'created', numeric: true },
      cell: ({ row: { original: version } }) => (
        <span title={`by ${version.createdBy}`}>
          <When at={version.createdAt} />
        </span>
      ),
    },
  ];
}

type Digits = { more: number; decimals: number };

/** Enough digits for a metric's values on this page to read as unequal as they are; and the most behind the point. */
function digitsIn(rows: VersionRowFragment[], name: string): Digits {
  const values = rows.flatMap(({ metrics }) => metrics.filter(({ key }) => `metric:${key}` === name));
  const more = moreDigitsFor(values.map(({ value }) => value));
  const decimals = values.map(({ value, text }) => decimalsOf(figure(value, text, more)) ?? 0);
  return { more, decimals: Math.max(0, ...decimals) };
}

function shownColumn(name: string, digits: Digits | undefined): ColumnDef<VersionRowFragment> {
  const metric = name.startsWith('metric:');
  const key = name.slice(name.indexOf(':') + 1);
  return {
    id: name,
    header: () => <span title={metric ? `metric ${key}` : `param ${key}`}>{key}</span>,
    meta: { sort: name, numeric: metric },
    cell: ({ row }) => {
      if (metric) {
        const found = row.original.metrics.find((each) => each.key === key);
        return found ? <Figure value={found.value} text={found.text} {...digits} /> : '–';
      }
      const value = row.original.params.find((each) => each.key === key)?.value;
      return (
        <Text size="sm" maw={180} className="clip" title={value}>
          {value ?? '–'}
        </Text>
      );
    },
  };
}

function NoVersions({ project, model }: { project: string; model: string }) {
  const { server } = useSession();
  return (
    <Stack p="lg" gap="sm">
      <Text fw={600}>No versions yet</Text>
      <Text size="sm" c="dimmed">
        Log the first from a notebook; it appears here at once.
      </Text>
      <CodeBlock label="Python for a notebook" text={snippet(server.publicUrl, project, model)} />
    </Stack>
  );
}
