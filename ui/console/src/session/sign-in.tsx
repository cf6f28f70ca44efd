// For whoever comes without a session: how to get in.
import {
  Alert,
  Anchor,
  Button,
  Center,
  Code,
  Group,
  List,
  Paper,
  PasswordInput,
  Stack,
  Text,
  Title,
} from '@mantine/core';
import { useLayoutEffect, useRef, useState, type FormEvent, type ReactNode } from 'react';
import type { Problem } from '@/graphql/problem';
import { mustReload } from '@/shell/leaving';
import { Mark } from '@/shell/mark';
import './sign-in.css';

type Props = { problem?: string; enter: (token: string) => Promise<void> };

/** The page of who comes without a session. */
export function SignIn(props: Props) {
  return (
    <Center component="main" mih="100vh" p="md">
      <Paper withBorder p="xl" radius="md" maw={460} w="100%">
        <Form {...props} title="Sign in to Merlin" label="Or paste a token" more={<Help />}>
          <Text size="sm">
            The simplest way in: open the address that <Code>merlin up</Code> printed. It carries your token, which this
            browser then remembers for 30 days.
          </Text>
        </Form>
      </Paper>
    </Center>
  );
}

/** Over the page where the session ended. The browser keeps the page behind it out of reach, and its focus. */
export function SignInOver({ me, other, ...props }: Props & { me: string; other?: string }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => shown?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      className="sign-in-over"
      aria-labelledby="sign-in"
      onCancel={(event) => event.preventDefault()}
    >
      {other === undefined ? (
        <Form {...props} title="Sign in again" label="Your token">
          <Text size="sm">
            Your session has ended. The page stays as it is, with what you typed. Instead of giving your token here you
            can open the address that <Code>merlin up</Code> printed in another tab.
          </Text>
        </Form>
      ) : (
        <Form {...props} title={`You are ${other} now`} label={`Token of ${me}`} more={<GoOn />}>
          <Text size="sm">
            In another window of this browser {other} signed in, which holds for all of them. Sign in as {me} again to
            keep what you typed here, or go on as {other} without it.
          </Text>
        </Form>
      )}
    </dialog>
  );
}

function GoOn() {
  return (
    <Button variant="default" onClick={mustReload}>
      Go on without it
    </Button>
  );
}

function Help() {
  return (
    <List size="sm" c="dimmed" spacing={4}>
      <List.Item>
        A local platform's token also stands in <Code>addresses.json</Code> of its data folder (<Code>.merlin</Code>
        ).
      </List.Item>
      <List.Item>
        Nothing runs? <Code>make run</Code>, or <Code>merlin up</Code>, starts the platform.
      </List.Item>
      <List.Item>On a shared installation its administrator gives you a token.</List.Item>
    </List>
  );
}

function Form(props: Props & { title: string; label: string; children: ReactNode; more?: ReactNode }) {
  const { problem, enter, title, label, children, more } = props;
  const [token, setToken] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    await enter(token);
    setBusy(false);
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <Group gap="sm">
          <Mark size={32} />
          <Title order={1} id="sign-in">
            {title}
          </Title>
        </Group>
        {children}
        <PasswordInput
          label={label}
          value={token}
          onChange={(event) => setToken(event.currentTarget.value)}
          error={problem}
          required
          autoFocus
          autoComplete="off"
        />
        <Button type="submit" loading={busy} disabled={token.trim() === ''}>
          Sign in
        </Button>
        {more}
      </Stack>
    </form>
  );
}

export function NoAnswer({ problem }: { problem: Problem }) {
  return (
    <Center component="main" mih="100vh" p="md">
      <Alert color="red" title={problem.message} maw={460} role="alert">
        <Stack gap="xs">
          <Text size="sm">{problem.hint ?? 'This page tries again every two seconds.'}</Text>
          <Text size="sm">
            What an operator looks at: <Anchor href="/readyz">/readyz</Anchor>.
          </Text>
          <Text size="xs" className="mono">
            {problem.code} {problem.requestId}
          </Text>
        </Stack>
      </Alert>
    </Center>
  );
}
