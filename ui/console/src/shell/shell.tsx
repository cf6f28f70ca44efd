// The frame of every page: where you can go, how the clusters are, who you are.
import { useMediaQuery } from '@mantine/hooks';
import { ActionIcon, AppShell, Button, Container, Group, Menu, Text, UnstyledButton } from '@mantine/core';
import { IconBraces, IconExternalLink, IconLogout, IconUser } from '@tabler/icons-react';
import { useEffect, useRef, type MouseEvent } from 'react';
import { Link, NavLink, Outlet, ScrollRestoration, useLocation } from 'react-router';
import { paths } from '@/paths';
import { useSession } from '@/session/gate';
import { ConnectionBanner } from './connection';
import { ClusterHealth } from './health';
import { leaveBy } from './leaving';
import { Mark } from './mark';
import { Progress } from './progress';
import { SchemeSwitch } from './scheme';

export function Shell() {
  const { server } = useSession();
  return (
    <AppShell header={{ height: 52 }} padding={0}>
      <a href="#main" className="skip" onClick={skip}>
        To the content
      </a>
      <Progress />
      <AppShell.Header>
        <Container size="xl" h="100%">
          <Group h="100%" justify="space-between" wrap="nowrap">
            <Group gap="lg" wrap="nowrap" className="narrowing">
              <UnstyledButton component={Link} to={paths.home()} aria-label="Merlin, home">
                <Group gap={8} wrap="nowrap">
                  <Mark />
                  <Text fw={700} visibleFrom="xs">
                    Merlin
                  </Text>
                </Group>
              </UnstyledButton>
              <Group component="nav" aria-label="Main" gap={4} wrap="nowrap">
                <Place to={paths.home()} name="Projects" within="/projects" />
                <Place to={paths.environments()} name="Environments" within="/environments" />
              </Group>
            </Group>
            <Group gap="xs" wrap="nowrap" className="narrowing">
              <ClusterHealth />
              <Button
                component="a"
                href={server.mlflowUrl}
                target="_blank"
                rel="noreferrer"
                variant="subtle"
                color="gray"
                size="compact-sm"
                fw={500}
                rightSection={<IconExternalLink size={14} aria-hidden />}
                visibleFrom="md"
              >
                MLflow
              </Button>
              <Button
                component="a"
                href="/graphiql"
                variant="subtle"
                color="gray"
                size="compact-sm"
                fw={500}
                leftSection={<IconBraces size={14} aria-hidden />}
                visibleFrom="md"
              >
                GraphiQL
              </Button>
              <SchemeSwitch />
              <Who />
            </Group>
          </Group>
        </Container>
      </AppShell.Header>
      <AppShell.Main>
        <Container size="xl" py="lg" id="main" tabIndex={-1}>
          <ConnectionBanner />
          <Outlet />
        </Container>
      </AppShell.Main>
      <TopOfNewPage />
      <ScrollRestoration getKey={(location) => location.pathname} />
    </AppShell>
  );
}

/** The address, which may be passed on, stays as it is. */
function skip(event: MouseEvent) {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

function Place({ to, name, within }: { to: string; name: string; within: string }) {
  const { pathname } = useLocation();
  const here = pathname === to || pathname.startsWith(within);
  return (
    <Button
      component={NavLink}
      to={to}
      variant={here ? 'light' : 'subtle'}
      color={here ? 'indigo' : 'gray'}
      size="compact-sm"
      fw={500}
    >
      {name}
    </Button>
  );
}

function Who() {
  const { me, server, leave } = useSession();
  // Not hidden by style: the arrow keys would be caught by what cannot be seen.
  const narrow = useMediaQuery('(max-width: 61.99em)');
  return (
    <Menu position="bottom-end" withArrow>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={`You: ${me.subject}`} title={me.subject}>
          <IconUser size={18} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {me.subject}
          {me.isAdministrator ? ', administrator' : ''}
        </Menu.Label>
        {narrow && (
          <>
            <Menu.Item component="a" href={server.mlflowUrl} target="_blank" rel="noreferrer">
              MLflow
            </Menu.Item>
            <Menu.Item component="a" href="/graphiql">
              GraphiQL
            </Menu.Item>
          </>
        )}
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => leaveBy(leave)}>
          Sign out
        </Menu.Item>
        <Menu.Label>Merlin {server.version}</Menu.Label>
      </Menu.Dropdown>
    </Menu>
  );
}

/** A new page is announced: the focus goes to its beginning. The first one begins as a browser does it. */
function TopOfNewPage() {
  const { pathname } = useLocation();
  const before = useRef(pathname);
  useEffect(() => {
    if (before.current === pathname) return;
    before.current = pathname;
    if (document.activeElement === document.body) document.getElementById('main')?.focus({ preventScroll: true });
  }, [pathname]);
  return null;
}
