// What the API refuses to tell is told as it is, and never as a thing that does not exist.
import { screen } from '@testing-library/react';
import { Route, Routes } from 'react-router';
import { CombinedError } from 'urql';
import { expect, it } from 'vitest';
import { renderPage } from '@/test-page';
import Activity from './activity/activity';
import Endpoints from './endpoints/endpoints';
import Environment from './environment/environment';
import Home from './home/home';
import Model from './model/model';
import Models from './models/models';
import Settings from './settings/settings';
import VersionPage from './version/version';

const pages = { Activity, Endpoints, Environment, Model, Models, Settings, VersionPage };
const error = new CombinedError({
  graphQLErrors: [{ message: 'That is not a cursor of this list.', extensions: { code: 'INVALID_INPUT' } }],
});
const nothing = { project: null, model: null, environment: null, environments: { nodes: [] } };

it.each(Object.entries(pages))('%s shows an error, whatever else it got', async (_, Shown) => {
  renderPage(<Shown />, { at: '/?after=garbage', answer: () => ({ data: nothing, error }) });
  expect((await screen.findAllByRole('alert'))[0]!.textContent).toContain('That is not a cursor of this list.');
  expect(screen.queryByText(/^There is no/)).toBeNull();
});

it('a version’s number that no version can have is not asked for', () => {
  const { asked } = renderPage(
    <Routes>
      <Route path=":number" element={<VersionPage />} />
    </Routes>,
    { at: '/99999999999' },
  );
  expect(screen.getByText(/^There is no version 99999999999/)).toBeTruthy();
  expect(asked).toEqual([]);
});

it.each(Object.entries(pages))('%s says when there is no such thing', async (_, Shown) => {
  renderPage(<Shown />, { answer: () => ({ data: nothing }) });
  // All environments are seen by everybody.
  const what = Shown === Environment ? /^There is no environment “.*”$/ : /^There is no .*, or you may not see it$/;
  expect(await screen.findByText(what)).toBeTruthy();
});

const lacking = [
  { of: 'an administrator of the platform, who sees all', isAdministrator: true, model: null, back: 'Projects' },
  { of: 'who sees the model', isAdministrator: false, model: { project: { role: 'READER' } }, back: 'iris' },
];

it.each(lacking)('a version that is missing is none to $of', async ({ isAdministrator, model, back }) => {
  renderPage(
    <Routes>
      <Route path=":project/:model/:number" element={<VersionPage />} />
    </Routes>,
    { at: '/shop/iris/3', isAdministrator, answer: () => ({ data: { model } }) },
  );
  expect(await screen.findByText('There is no version 3 of iris in shop')).toBeTruthy();
  expect(screen.queryByText(/administrator/)).toBeNull();
  expect(screen.getByRole('link', { name: `Back to ${back}` })).toBeTruthy();
});

it.each([
  ['READER', 'What its editors make or log appears here at once.'],
  ['EDITOR', /^Make one above/],
])('%s of a project without models reads what one can do', async (role, text) => {
  const models = { nodes: [], pageInfo: {}, totalCount: 0 };
  const project = { id: 'p', name: 'shop', role, labels: [], models };
  renderPage(<Models />, { answer: () => ({ data: { project } }) });
  expect(await screen.findByText(text)).toBeTruthy();
});

it.each([
  [true, 0],
  [false, 1],
])('who sees all projects (%s) is not told that one does not', async (isAdministrator, told) => {
  const projects = { nodes: [], pageInfo: {}, totalCount: 0 };
  renderPage(<Home />, {
    at: '/?name=none',
    isAdministrator,
    answer: ({ name }) => (name === 'Home' ? { data: { projects } } : {}),
  });
  expect(await screen.findByText(/^No project's name holds/)).toBeTruthy();
  expect(screen.queryAllByText('You see only projects that you are a member of.')).toHaveLength(told);
});

it('who may not see it is led to what is certainly there', async () => {
  renderPage(
    <Routes>
      <Route path=":project/:model/:number" element={<VersionPage />} />
    </Routes>,
    { at: '/shop/iris/3', answer: () => ({ data: nothing }) },
  );
  expect(await screen.findByText(/an administrator of its project can make you a member/)).toBeTruthy();
  expect(screen.getByRole('link', { name: 'Back to Projects' }).getAttribute('href')).toBe('/');
});
