// One click for what does not run yet: the default environment, its defaults. Everything else is a page away, and so is
// what would replace something that runs.
import { ActionIcon, Button, Group, Menu } from '@mantine/core';
import { IconChevronDown, IconRocket } from '@tabler/icons-react';
import { Link } from 'react-router';
import { useArrival } from '@/parts/arrival';
import { paths } from '@/paths';
import type { Acts, Environment, Of } from './version';

export function DeployButton(props: { of: Of; deploy: Acts['deploy']; environments: Environment[] }) {
  const { of, deploy, environments } = props;
  const { project, model, version } = of;
  const { arrive } = useArrival();
  const open = environments.filter((each) => !each.detached);
  const endpointIn = (environment: Environment) =>
    version.endpoints.nodes.find((each) => each.environment.id === environment.id);
  const usual = open.find((each) => each.isDefault) ?? open[0];
  const to = async (environment: Environment) => {
    const { name } = environment;
    const done = await deploy.act(
      { versionId: version.id, environment: name, expectedGeneration: endpointIn(environment)?.generation ?? 0 },
      `Version ${version.number} is on its way to ${name}.`,
      `The deploy of version ${version.number} to ${name}`,
    );
    if (done) arrive(paths.endpoint(project, model, version.number, name));
  };
  if (!usual) return null;
  const form = (environment: Environment) => paths.deploy(project, model, version.number, environment.name);
  const runsIn = (environment: Environment) => {
    const endpoint = endpointIn(environment);
    return endpoint?.lifecycle !== 'TERMINATED' && Boolean(endpoint?.activeRevision);
  };
  const again = (endpointIn(usual)?.lifecycle ?? 'TERMINATED') !== 'TERMINATED';
  return (
    <Group gap={1} wrap="nowrap">
      {runsIn(usual) ? (
        <Button
          component={Link}
          size="xs"
          leftSection={<IconRocket size={15} aria-hidden />}
          to={form(usual)}
          title={`It runs in ${usual.name}: choose settings and see the plan first`}
        >
          Redeploy to {usual.name} …
        </Button>
      ) : (
        <Button
          size="xs"
          leftSection={<IconRocket size={15} aria-hidden />}
          loading={deploy.busy}
          onClick={() => void to(usual)}
          title={again ? `Once more to ${usual.name}, as it was` : `To ${usual.name}, with its defaults`}
        >
          {again ? 'Redeploy' : 'Deploy'} to {usual.name}
        </Button>
      )}
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon size={30} variant="filled" aria-label="More ways to deploy">
            <IconChevronDown size={15} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item component={Link} to={form(usual)}>
            Choose settings, see the plan …
          </Menu.Item>
          {open
            .filter((each) => each.id !== usual.id)
            .map((each) =>
              runsIn(each) ? (
                <Menu.Item key={each.id} component={Link} to={form(each)}>
                  Redeploy to {each.name} …
                </Menu.Item>
              ) : (
                <Menu.Item key={each.id} onClick={() => void to(each)}>
                  Deploy to {each.name}
                </Menu.Item>
              ),
            )}
        </Menu.Dropdown>
      </Menu>
    </Group>
  );
}
