// Who left a page while it did something is not pulled from where one is, once that is done.
import { act, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { Route, Routes } from 'react-router';
import { expect, it } from 'vitest';
import { renderPage, type Asked } from '@/test-page';
import NewProjectForm from './home/new-project-form';
import Model from './model/model';
import NewModelForm from './models/new-model-form';

const model = {
  id: 'm',
  name: 'iris',
  type: 'mlflow',
  createdAt: '2026-11-25T10:00:00Z',
  project: { id: 'p', name: 'shop', role: 'EDITOR' },
  endpoints: { nodes: [] },
};
const made = {
  DeleteModel: { deleteModel: { errors: [], deletedId: 'm' } },
  CreateProject: { createProject: { errors: [], project: { id: 'p', name: 'shop' } } },
  CreateModel: { createModel: { errors: [], model: { id: 'm', name: 'iris' } } },
};

const pages = (
  <Routes>
    <Route path="/projects/:project/models/:model/:tab" element={<Model />} />
    <Route path="/new-project" element={<NewProjectForm close={() => undefined} />} />
    <Route path="/new-model" element={<NewModelForm close={() => undefined} projectId="p" project="shop" />} />
    <Route path="*" element="Elsewhere" />
  </Routes>
);

/** The pages, with an API that does what it is asked only once `done` is called. */
function renderHeld(at: string) {
  let go = () => {};
  const held = new Promise<void>((resolve) => (go = resolve));
  const answer = ({ name }: Asked) =>
    name in made ? held.then(() => ({ data: made[name as keyof typeof made] })) : { data: { model } };
  return { ...renderPage(pages, { at, answer }), done: () => act(async () => go()) };
}

const acts = {
  DeleteModel: {
    at: '/projects/shop/models/iris/compare',
    leadsTo: '/projects/shop',
    begin: async () => {
      await userEvent.click(await screen.findByRole('button', { name: 'Delete' }));
      await screen.findByRole('dialog');
      await userEvent.click(screen.getAllByRole('button', { name: 'Delete' }).at(-1)!);
    },
  },
  CreateProject: {
    at: '/new-project',
    leadsTo: '/projects/shop',
    begin: () => userEvent.type(screen.getByLabelText(/Name/), 'shop{Enter}'),
  },
  CreateModel: {
    at: '/new-model',
    leadsTo: '/projects/shop/models/iris',
    begin: () => userEvent.type(screen.getByLabelText(/Name/), 'iris{Enter}'),
  },
};

it.each(Object.entries(acts))('%s leads on', async (name, { at, leadsTo, begin }) => {
  const { router, asked, done } = renderHeld(at);
  await begin();
  await waitFor(() => expect(asked.map((each) => each.name)).toContain(name));
  await done();
  await waitFor(() => expect(router.state.location.pathname).toBe(leadsTo));
});

it.each(Object.entries(acts))('%s pulls nobody from another page', async (name, { at, begin }) => {
  const { router, asked, done } = renderHeld(at);
  await begin();
  await waitFor(() => expect(asked.map((each) => each.name)).toContain(name));
  await act(() => router.navigate('/environments'));
  await done();
  expect(await screen.findByText('Elsewhere')).toBeTruthy();
  expect(router.state.location.pathname).toBe('/environments');
});
