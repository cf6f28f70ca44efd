// A list as a table: order and page live in the address, the server sorts and pages. Nothing is ever loaded whole.
import { Box, Button, Group, Skeleton, Stack, Table, Text, UnstyledButton } from '@mantine/core';
import { IconArrowDown, IconArrowUp, IconChevronLeft, IconChevronRight, IconChevronsLeft } from '@tabler/icons-react';
import {
  flexRender,
  getCoreRowModel,
  useReactTable,
  type ColumnDef,
  type Row as TableRow,
  type RowData,
} from '@tanstack/react-table';
import { memo, useDeferredValue, useMemo, useRef, useState, type ReactNode } from 'react';
import type { CombinedError } from 'urql';
import { useAddress, START, type usePaging } from './address';
import { useFocusThatStays } from './focus-stays';
import { ErrorPanel } from './problems';

declare module '@tanstack/react-table' {
  // eslint-disable-next-line @typescript-eslint/no-unused-vars
  interface ColumnMeta<TData extends RowData, TValue> {
    /** What `?sort=` says for it; without, it cannot be sorted by. */
    sort?: string;
    numeric?: boolean;
    width?: number | string;
  }
}

export type { ColumnDef };

type Listed<Row> = {
  nodes: Row[];
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null };
  totalCount?: number;
};

/** `?sort=name` or `?sort=-name`. */
export function useSort(usual: string): { key: string; descending: boolean; text: string } {
  const text = useAddress().one('sort') ?? usual;
  return { key: text.replace(/^-/, ''), descending: text.startsWith('-'), text };
}

export function DataTable<Row extends { id: string }>(props: {
  label: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  columns: ColumnDef<Row, any>[];
  list: Listed<Row> | undefined;
  /** All that chooses the rows: until those of it are drawn, the ones before are shown as outdated. */
  asked: object;
  fetching: boolean;
  error?: CombinedError;
  again?: () => void;
  empty: ReactNode;
  sort?: { text: string };
  paging?: ReturnType<typeof usePaging>;
  noun?: [one: string, many: string];
  minWidth?: number;
}) {
  const { paging } = props;
  // A click is answered at once; the rows that it asks for are drawn right after.
  const list = useDeferredValue(props.list);
  const columns = useDeferredValue(props.columns);
  const rows = useKept(list?.nodes ?? NONE);
  const isDrawn = !props.fetching && list === props.list;
  const isOutdated = useIsOutdated(JSON.stringify(props.asked), isDrawn);
  const focus = useFocusThatStays(listIn);
  const table = useReactTable({ data: rows, columns, getCoreRowModel: getCoreRowModel(), getRowId: (row) => row.id });
  if (props.error && !list)
    return (
      <Stack gap="xs">
        <ErrorPanel error={props.error} again={props.again} />
        {paging && !paging.atStart && (
          <Button variant="default" size="xs" onClick={paging.toStart} style={{ alignSelf: 'flex-start' }}>
            Go to the first page
          </Button>
        )}
      </Stack>
    );
  if (list && rows.length === 0 && (paging?.atStart ?? true))
    return (
      <Box className={isOutdated ? 'panel outdated' : 'panel'} {...focus}>
        {props.empty}
      </Box>
    );
  return (
    <Box className="panel" {...focus}>
      {props.error && <ErrorPanel error={props.error} again={props.again} />}
      <Table.ScrollContainer minWidth={props.minWidth ?? 640} type="native">
        <Table highlightOnHover aria-label={props.label} aria-busy={props.fetching || list !== props.list}>
          <Table.Thead>
            {table.getHeaderGroups().map((group) => (
              <Table.Tr key={group.id}>
                {group.headers.map((header) => {
                  const meta = header.column.columnDef.meta;
                  const name = flexRender(header.column.columnDef.header, header.getContext());
                  return (
                    <Table.Th
                      key={header.id}
                      className={meta?.numeric ? 'number' : undefined}
                      w={meta?.width}
                      aria-sort={ariaSort(meta?.sort, props.sort?.text)}
                    >
                      {meta?.sort && props.sort ? (
                        <SortBy by={meta.sort} now={props.sort.text} name={name} numeric={meta.numeric} />
                      ) : (
                        name
                      )}
                    </Table.Th>
                  );
                })}
              </Table.Tr>
            ))}
          </Table.Thead>
          <Table.Tbody className={isOutdated ? 'outdated' : undefined}>
            {!list && <Skeletons columns={columns.length} />}
            {table.getRowModel().rows.map((row) => (
              <Cells key={row.id} row={row} value={row.original} columns={columns} />
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {list && paging && <Pages list={list} paging={paging} noun={props.noun} />}
    </Box>
  );
}

const NONE: never[] = [];

/** Where the keyboard goes on when a row goes with what had the focus: the list, or what is said in its place. */
function listIn(box: HTMLDivElement): HTMLElement {
  const list = box.querySelector<HTMLElement>('table, button, a') ?? box;
  if (list.tabIndex < 0) list.tabIndex = -1;
  return list;
}

/** A row, drawn again when it or the columns changed and not whenever the list did. */
const Cells = memo(
  DrawnCells,
  (before, now) => before.value === now.value && before.columns === now.columns,
) as typeof DrawnCells;

function DrawnCells<Row>({ row }: { row: TableRow<Row>; value: Row; columns: unknown }) {
  return (
    <Table.Tr>
      {row.getVisibleCells().map((cell) => (
        <Table.Td key={cell.id} className={cell.column.columnDef.meta?.numeric ? 'number' : undefined}>
          {flexRender(cell.column.columnDef.cell, cell.getContext())}
        </Table.Td>
      ))}
    </Table.Tr>
  );
}

/** The rows, where each that says the same as it did before is the same object. */
function useKept<Row extends { id: string }>(rows: Row[]): Row[] {
  const before = useRef(new Map<string, Row>());
  return useMemo(() => {
    const kept = rows.map((row) => {
      const known = before.current.get(row.id);
      return known && JSON.stringify(known) === JSON.stringify(row) ? known : row;
    });
    before.current = new Map(kept.map((row) => [row.id, row]));
    return kept;
  }, [rows]);
}

/** Whether the rows are still those of another question, from the click on until what it asks for is drawn. */
function useIsOutdated(asked: string, isDrawn: boolean): boolean {
  const [drawn, setDrawn] = useState(asked);
  if (isDrawn && drawn !== asked) setDrawn(asked);
  return drawn !== asked;
}

function ariaSort(by: string | undefined, now: string | undefined) {
  if (by === undefined || now === undefined) return undefined;
  return now === by ? 'ascending' : now === `-${by}` ? 'descending' : 'none';
}

function SortBy({ by, now, name, numeric }: { by: string; now: string; name: ReactNode; numeric?: boolean }) {
  const { set } = useAddress();
  // Numbers are wanted greatest first, texts from A.
  const [first, second] = numeric ? [`-${by}`, by] : [by, `-${by}`];
  const Arrow = now === by ? IconArrowUp : now === `-${by}` ? IconArrowDown : null;
  return (
    <UnstyledButton className="sort" onClick={() => set({ sort: now === first ? second : first, ...START })}>
      {name}
      {Arrow && <Arrow size={13} aria-hidden />}
    </UnstyledButton>
  );
}

function Skeletons({ columns }: { columns: number }) {
  return Array.from({ length: 6 }, (_, row) => (
    <Table.Tr key={row}>
      {Array.from({ length: columns }, (_, column) => (
        <Table.Td key={column}>
          <Skeleton height={14} width={column === 0 ? '70%' : '50%'} />
        </Table.Td>
      ))}
    </Table.Tr>
  ));
}

function Pages<Row>(props: { list: Listed<Row>; paging: ReturnType<typeof usePaging>; noun?: [string, string] }) {
  const { pageInfo, totalCount, nodes } = props.list;
  const { paging } = props;
  const [one, many] = props.noun ?? ['entry', 'entries'];
  const single = paging.atStart && !pageInfo.hasNextPage;
  if (single && totalCount === undefined) return null;
  return (
    <Group
      justify="space-between"
      px="sm"
      py={8}
      style={{ borderTop: '1px solid var(--mantine-color-default-border)' }}
    >
      <Text size="sm" c="dimmed" className="numbers" role="status">
        {totalCount === undefined
          ? `${nodes.length} ${nodes.length === 1 ? one : many} on this page`
          : `${totalCount.toLocaleString('en')} ${totalCount === 1 ? one : many}`}
      </Text>
      <Group gap={4} component="nav" aria-label="Pages" display={single ? 'none' : undefined}>
        <Button
          size="compact-sm"
          variant="subtle"
          color="gray"
          disabled={paging.atStart}
          onClick={paging.toStart}
          leftSection={<IconChevronsLeft size={15} aria-hidden />}
        >
          First
        </Button>
        <Button
          size="compact-sm"
          variant="default"
          disabled={!pageInfo.hasPreviousPage}
          onClick={() => paging.toPrevious(pageInfo.startCursor)}
          leftSection={<IconChevronLeft size={15} aria-hidden />}
        >
          Previous
        </Button>
        <Button
          size="compact-sm"
          variant="default"
          disabled={!pageInfo.hasNextPage}
          onClick={() => paging.toNext(pageInfo.endCursor)}
          rightSection={<IconChevronRight size={15} aria-hidden />}
        >
          Next
        </Button>
      </Group>
    </Group>
  );
}
