// The tabs a new visitor finds: from looking around to deploying and following it.
export const examples = [
  {
    query: `# What there is, from projects down to endpoints.
query Overview {
  projects(first: 20) {
    totalCount
    nodes {
      id
      name
      models(first: 20) {
        nodes {
          id
          name
          endpoint { url status servingVersion { number } }
          versions(first: 5) {
            nodes {
              id
              number
              state
              aliases
              metrics { key value }
              endpoint { id url lifecycle progressing healthy message }
            }
          }
        }
      }
    }
  }
}
`,
  },
  {
    query: `# Deploy a version (its id is in the first tab).
mutation Deploy($input: DeployVersionInput!) {
  deployVersion(input: $input) {
    versionEndpoint { id url lifecycle progressing }
    revision { number cause }
    errors { code message path hint }
  }
}
`,
    variables: `{
  "input": { "versionId": "" }
}
`,
  },
  {
    query: `# Everything that happens in a project, live.
subscription Follow($project: String) {
  events(project: $project) {
    cursor
    at
    type
    severity
    message
    revision
  }
}
`,
    variables: `{
  "project": null
}
`,
  },
  {
    query: `# Send all of a model's traffic to one version (the id of its endpoint).
mutation Serve($input: ServeVersionInput!) {
  serveVersion(input: $input) {
    modelEndpoint { url status desiredTraffic { weight versionEndpoint { version { number } } } }
    errors { code message path hint }
  }
}
`,
    variables: `{
  "input": { "versionEndpointId": "" }
}
`,
  },
];
