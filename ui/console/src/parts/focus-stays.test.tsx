import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { useState } from 'react';
import { expect, it } from 'vitest';
import { renderPage } from '@/test-page';
import { useFocusThatStays } from './focus-stays';

function Things() {
  const [things, setThings] = useState(['a', 'b']);
  const focus = useFocusThatStays<HTMLDivElement>((left) => left.querySelector('input'));
  return (
    <>
      <div {...focus}>
        {things.map((thing) => (
          <button key={thing} onClick={() => setThings(things.filter((each) => each !== thing))}>
            {thing}
          </button>
        ))}
        <input aria-label="One more" />
      </div>
      <button onClick={() => setThings([])}>Others</button>
    </>
  );
}

it('goes on where it is said to when what has it goes', async () => {
  renderPage(<Things />);
  screen.getByText('b').focus();
  await userEvent.keyboard('{Enter}');
  expect(screen.queryByText('b')).toBeNull();
  expect(document.activeElement).toBe(screen.getByLabelText('One more'));
});

it('stays where it is when others go', async () => {
  renderPage(<Things />);
  await userEvent.click(screen.getByText('a'));
  await userEvent.click(screen.getByText('Others'));
  expect(screen.queryByText('b')).toBeNull();
  expect(document.activeElement).toBe(screen.getByText('Others'));
});

it('is not fetched by one that was left', async () => {
  renderPage(<Things />);
  await userEvent.click(screen.getByText('a'));
  const others = screen.getByText('Others');
  others.focus();
  others.blur();
  others.click();
  expect(await screen.findByText('Others')).toBeTruthy();
  expect(document.activeElement).toBe(document.body);
});
