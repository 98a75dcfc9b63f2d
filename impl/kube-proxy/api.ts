/** What a test client asks of a node's service rules: a new connection to every service port. */
export type ProxyMessage = { readonly kind: 'ConnectAll' }
