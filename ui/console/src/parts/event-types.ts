/** Types of events there are, as the filter offers them; one that is missing here can still be typed into the address. */
export const eventTypes: { group: string; items: string[] }[] = [
  {
    group: 'Deployments',
    items: ['requested', 'applied', 'starting', 'ready', 'active', 'failed', 'cancelled', 'superseded', 'drained'].map(
      (each) => `deployment.${each}`,
    ),
  },
  {
    group: 'Endpoints',
    items: ['unhealthy', 'healed', 'undeploy_requested', 'terminated'].map((each) => `endpoint.${each}`),
  },
  {
    group: 'Traffic',
    items: ['requested', 'applied', 'switched', 'failed', 'stopped'].map((each) => `traffic.${each}`),
  },
  { group: 'Cluster', items: ['cluster.event'] },
  {
    group: 'Versions',
    items: ['created', 'finished', 'refreshed', 'labels_changed', 'alias_changed', 'deleted'].map(
      (each) => `version.${each}`,
    ),
  },
  {
    group: 'Models and projects',
    items: ['model.created', 'model.updated', 'model.deleted', 'project.created', 'project.updated'],
  },
];
