/** Why an environment that is still there takes no deploy. */
export const detached = (environment: string) =>
  `${environment} takes no new deployments: an operator has taken it out of the environments' file`;
