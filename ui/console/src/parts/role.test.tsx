import { screen } from '@testing-library/react';
import { expect, it } from 'vitest';
import { renderPage } from '@/test-page';
import { ReaderNote } from './role';

it('tells a reader who may deploy, and others nothing', () => {
  const { unmount } = renderPage(<ReaderNote role="READER" />);
  expect(screen.getByText('You are a reader here: editors deploy and serve.')).toBeTruthy();
  unmount();
  renderPage(<ReaderNote role="EDITOR" />);
  expect(screen.queryByText(/You are a reader/)).toBeNull();
});
