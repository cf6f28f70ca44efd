import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { isKept } from '@/shell/leaving';
import { renderPage } from '@/test-page';
import NewProjectForm from '@/pages/home/new-project-form';
import NewModelForm from '@/pages/models/new-model-form';
import { SecretForm } from '@/pages/settings/secret-form';
import type { Project } from '@/pages/settings/settings';

const project = { id: 'p', name: 'shop', secrets: [{ name: 'db' }] } as unknown as Project;
const dialogs = [
  { of: 'project', field: /What it is for/, make: (close: () => void) => <NewProjectForm close={close} /> },
  {
    of: 'model',
    field: /What it is for/,
    make: (close: () => void) => <NewModelForm close={close} projectId="p" project="shop" />,
  },
  {
    of: 'secret',
    field: /Value/,
    make: (close: () => void) => <SecretForm close={close} project={project} replaces="" />,
  },
  {
    of: 'secret’s value',
    field: /New value/,
    make: (close: () => void) => <SecretForm close={close} project={project} replaces="db" />,
  },
];

const beside = () => document.querySelector('.mantine-Modal-overlay')!;

it.each(dialogs)('what is typed of a new $of is lost by no slip', async ({ field, make }) => {
  const close = vi.fn();
  const { unmount } = renderPage(make(close));
  await userEvent.type(await screen.findByLabelText(field), 'much');
  await userEvent.keyboard('{Escape}');
  await userEvent.click(beside());
  expect(close).not.toHaveBeenCalled();
  expect(isKept()).toBe(true);
  await userEvent.click(screen.getByRole('button', { name: 'Cancel' }));
  expect(close).toHaveBeenCalledOnce();
  unmount();
  expect(isKept()).toBe(false);
});

it.each(dialogs)('a dialog of a new $of is closed as any other while nothing is typed', async ({ field, make }) => {
  const close = vi.fn();
  renderPage(make(close));
  await screen.findByLabelText(field);
  await userEvent.keyboard('{Escape}');
  expect(close).toHaveBeenCalledOnce();
  await userEvent.click(beside());
  expect(close).toHaveBeenCalledTimes(2);
  expect(isKept()).toBe(false);
});
