import { act, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { useMemo, useState } from 'react';
import { CombinedError } from 'urql';
import { expect, it, vi } from 'vitest';
import { renderPage } from '@/test-page';
import { useAddress, usePaging } from './address';
import { Empty } from './empty';
import { DataTable, useSort, type ColumnDef } from './table';

type Row = { id: string; name: string };
type List = Parameters<typeof DataTable<Row>>[0]['list'];

const place = { hasNextPage: false, hasPreviousPage: false, startCursor: 's', endCursor: 'e' };
const rows = (...names: string[]): Row[] => names.map((name) => ({ id: name, name }));

function Things(props: { list?: List; fetching?: boolean; error?: CombinedError; again?: () => void }) {
  const columns = useMemo<ColumnDef<Row>[]>(
    () => [{ id: 'name', header: 'Name', meta: { sort: 'name' }, cell: ({ row }) => row.original.name }],
    [],
  );
  const paging = usePaging(25);
  const sort = useSort('name');
  const { one } = useAddress();
  return (
    <>
      <output>{JSON.stringify(paging.place)}</output>
      <DataTable
        label="Things"
        columns={columns}
        fetching={props.list === undefined}
        asked={[paging.place, sort, one('filter')]}
        sort={sort}
        paging={paging}
        noun={['thing', 'things']}
        empty={<Empty title="No things" />}
        {...props}
        list={props.list}
      />
    </>
  );
}

it('shows that it loads', () => {
  renderPage(<Things />);
  expect(screen.getByRole('table', { name: 'Things' }).getAttribute('aria-busy')).toBe('true');
});

it('says that nothing is there', () => {
  renderPage(<Things list={{ nodes: [], pageInfo: place, totalCount: 0 }} />);
  expect(screen.getByText('No things')).toBeTruthy();
});

it('shows an error with code, hint and request, and tries again', async () => {
  const again = vi.fn();
  const error = new CombinedError({
    graphQLErrors: [
      { message: 'MLflow is away.', extensions: { code: 'MLFLOW_UNAVAILABLE', hint: 'Try again.', requestId: 'r-7' } },
    ],
  });
  renderPage(<Things error={error} again={again} />);
  expect(screen.getByRole('alert').textContent).toContain('MLflow is away.');
  expect(screen.getByText(/MLFLOW_UNAVAILABLE · request r-7/)).toBeTruthy();
  await userEvent.click(screen.getByText('Try again', { selector: 'button *, button' }));
  expect(again).toHaveBeenCalledOnce();
});

it('leads away from a page that is none', async () => {
  const error = new CombinedError({
    graphQLErrors: [{ message: 'That is not a cursor of this list.', extensions: { code: 'INVALID_INPUT' } }],
  });
  const { router } = renderPage(<Things error={error} />, { at: '/?after=garbage&sort=-name' });
  await userEvent.click(screen.getByRole('button', { name: 'Go to the first page' }));
  expect(router.state.location.search).toBe('?sort=-name');
});

it('says when one may not see it', () => {
  const error = new CombinedError({
    graphQLErrors: [{ message: 'Only administrators.', extensions: { code: 'PERMISSION_DENIED' } }],
  });
  renderPage(<Things error={error} />);
  expect(screen.getByText('You may not see this')).toBeTruthy();
});

it('sorts by the address, one way and the other, from the first page', async () => {
  const { router } = renderPage(<Things list={{ nodes: rows('a', 'b'), pageInfo: place, totalCount: 2 }} />, {
    at: '/?after=x',
  });
  const header = screen.getByRole('columnheader');
  expect(header.getAttribute('aria-sort')).toBe('ascending');
  await userEvent.click(screen.getByRole('button', { name: 'Name' }));
  expect(router.state.location.search).toBe('?sort=-name');
  expect(screen.getByRole('columnheader').getAttribute('aria-sort')).toBe('descending');
});

it('pages by the cursors of the server, and back', async () => {
  const list = {
    nodes: rows('a'),
    pageInfo: { hasNextPage: true, hasPreviousPage: true, startCursor: 'first', endCursor: 'last' },
    totalCount: 10_000,
  };
  const { router } = renderPage(<Things list={list} />);
  expect(screen.getByText('10,000 things')).toBeTruthy();
  await userEvent.click(screen.getByRole('button', { name: 'Next' }));
  expect(router.state.location.search).toBe('?after=last');
  expect(screen.getByText('{"first":25,"after":"last","last":null,"before":null}')).toBeTruthy();
  await userEvent.click(screen.getByRole('button', { name: 'Previous' }));
  expect(router.state.location.search).toBe('?before=first');
  expect(screen.getByText('{"first":null,"after":null,"last":25,"before":"first"}')).toBeTruthy();
  await userEvent.click(screen.getByRole('button', { name: 'First' }));
  expect(router.state.location.search).toBe('');
});

it('answers a click at once, and until its rows are there shows that these are not they', async () => {
  let arrive: (list: List) => void = () => undefined;
  function Fetched() {
    const [there, setThere] = useState({ sort: 'name', list: { nodes: rows('a', 'b'), pageInfo: place } as List });
    const { text } = useSort('name');
    arrive = (list) => setThere({ sort: text, list });
    return <Things list={there.list} fetching={there.sort !== text} />;
  }
  renderPage(<Fetched />);
  const body = () => screen.getAllByRole('rowgroup').at(-1)!;
  expect(body().className).not.toContain('outdated');
  await userEvent.click(screen.getByRole('button', { name: 'Name' }));
  expect(body().className).toContain('outdated');
  expect(body().textContent).toBe('ab');
  arrive({ nodes: rows('b', 'a'), pageInfo: place });
  await waitFor(() => expect(body().textContent).toBe('ba'));
  expect(body().className).not.toContain('outdated');
});

it('shows the rows of another filter as outdated; those of the same question never, however often it is asked', async () => {
  let answer: (is: { list: List; fetching: boolean }) => void = () => undefined;
  function Fetched() {
    const [is, set] = useState({ list: { nodes: rows('a'), pageInfo: place } as List, fetching: false });
    answer = (next) => act(() => set(next));
    return <Things {...is} />;
  }
  const { router } = renderPage(<Fetched />);
  const isOutdated = () => document.querySelector('.outdated') !== null;
  const old = { nodes: rows('a'), pageInfo: place };
  answer({ list: old, fetching: true });
  expect(isOutdated()).toBe(false);
  await act(() => router.navigate('/?filter=failed'));
  expect(isOutdated()).toBe(true);
  answer({ list: { nodes: [], pageInfo: place }, fetching: false });
  expect(screen.getByText('No things')).toBeTruthy();
  expect(isOutdated()).toBe(false);
  answer({ list: { nodes: [], pageInfo: place }, fetching: true });
  await act(() => router.navigate('/'));
  // What was said of the other filter is not said of this one.
  expect(isOutdated()).toBe(true);
  answer({ list: old, fetching: false });
  expect(isOutdated()).toBe(false);
});
