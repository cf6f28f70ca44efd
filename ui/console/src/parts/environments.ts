/** In the order in which the API lists environments, and so every page: by name. What is in several comes as it was made. */
export function byEnvironment<Each extends { environment: { name: string } }>(list: Each[]): Each[] {
  return [...list].sort((one, other) => (one.environment.name < other.environment.name ? -1 : 1));
}
