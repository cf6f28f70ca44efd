// A destructive act says what it will do, and asks once.
import { Button, Group, Modal, Stack, Text, type ButtonProps } from '@mantine/core';
import { useState, type ReactNode } from 'react';
import type { Problem } from '@/graphql/problem';
import { Refusals } from './problems';

export function ConfirmButton(props: {
  /** On the button, and on the dialog's own: a verb. */
  verb: string;
  title: string;
  /** What will happen. */
  children: ReactNode;
  /** Done when it answers true; else `problems` say why not. */
  act: () => Promise<boolean>;
  problems?: Problem[];
  danger?: boolean;
  button?: ButtonProps & { 'aria-label'?: string };
}) {
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  // What was refused before this dialog was opened is no news.
  const [asked, setAsked] = useState(false);
  // What one has read here is what one confirms, whatever comes in meanwhile.
  const [said, setSaid] = useState(props);
  const begin = () => {
    setSaid(props);
    setAsked(false);
    setOpen(true);
  };
  const confirm = async () => {
    setBusy(true);
    setAsked(true);
    const done = await said.act();
    setBusy(false);
    if (done) setOpen(false);
  };
  const color = (props.danger ?? true) ? 'red' : undefined;
  return (
    <>
      <Button variant="default" size="xs" {...props.button} onClick={begin}>
        {props.verb}
      </Button>
      <Modal opened={open} onClose={() => setOpen(false)} title={<Text fw={650}>{said.title}</Text>}>
        <Stack>
          <Text size="sm" component="div">
            {said.children}
          </Text>
          {asked && <Refusals problems={props.problems ?? []} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={() => setOpen(false)} data-autofocus>
              Leave it
            </Button>
            <Button color={color} onClick={confirm} loading={busy}>
              {props.verb}
            </Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}
