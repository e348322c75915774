// Main flows of each product, by the vendor's JavaScript SDK. `node flows.mjs NAME` ends with 0 when all that NAME
// asserts holds. Each leaves nothing behind.

import assert from 'node:assert/strict'
import { Account, Block, Iam, Instance, Ipam, K8s, Lb, Marketplace, Rdb, Vpc, Vpcgw, createClient } from '@scaleway/sdk'

const SOON = { minDelay: 1, maxDelay: 1, timeout: 30 } // seconds; the SDK takes no shorter delay
const PASSWORD = 'thiZ_is_v&ry_s3cret'
const client = createClient(settings(process.env.SCW_ACCESS_KEY, process.env.SCW_SECRET_KEY))

function settings(accessKey, secretKey) {
  return {
    accessKey,
    secretKey,
    apiURL: process.env.SCW_API_URL,
    defaultOrganizationId: process.env.SCW_DEFAULT_ORGANIZATION_ID,
    defaultProjectId: process.env.SCW_DEFAULT_PROJECT_ID,
    defaultRegion: 'fr-par',
    defaultZone: 'fr-par-1',
  }
}

const vpc = new Vpc.v2.API(client)
const ipam = new Ipam.v1.API(client)
const gateways = new Vpcgw.v2.API(client)
const kubernetes = new K8s.v1.API(client)
const instances = new Instance.v1.API(client)
const blocks = new Block.v1.API(client)
const balancers = new Lb.v1.ZonedAPI(client)
const databases = new Rdb.v1.API(client)
const iam = new Iam.v1alpha1.API(client)
const projects = new Account.v3.ProjectAPI(client)
const market = new Marketplace.v2.API(client)

/** The SDK's error of this name, with this status. */
const refused = (status, name) => error => {
  assert.equal(error.status, status, error.message)
  assert.equal(error.name, name)
  return true
}

/** What waiting for something that is going away ends with. */
const gone = async waiting => assert.rejects(waiting, refused(404, 'ResourceNotFoundError'))

const flows = {
  async networks() {
    const home = await vpc.createVPC({ name: 'js', enableRouting: true })
    assert.equal(home.routingEnabled, true)
    assert.ok(home.createdAt instanceof Date)
    const network = await vpc.createPrivateNetwork({
      name: 'js', vpcId: home.id, subnets: ['10.9.0.0/22'], defaultRoutePropagationEnabled: false,
    })
    assert.deepEqual(network.subnets.map(one => one.subnet)[0], '10.9.0.0/22')
    const ip = await ipam.bookIP({ source: { privateNetworkId: network.id }, isIpv6: false, address: '10.9.0.77' })
    assert.equal(ip.address, '10.9.0.77/22')
    const listed = await ipam.listIPs({ privateNetworkId: network.id, attached: false }).all()
    assert.deepEqual(listed.map(one => one.id), [ip.id])
    await assert.rejects(vpc.deletePrivateNetwork({ privateNetworkId: network.id }), error => error.status === 412)
    await ipam.releaseIP({ ipId: ip.id })
    const renamed = await vpc.updatePrivateNetwork({ privateNetworkId: network.id, name: 'renamed', tags: ['a'] })
    assert.deepEqual([renamed.name, renamed.tags], ['renamed', ['a']])
    await vpc.deletePrivateNetwork({ privateNetworkId: network.id })
    await vpc.deleteVPC({ vpcId: home.id })
    await gone(vpc.getVPC({ vpcId: home.id }))
  },

  async cluster() {
    const network = await vpc.createPrivateNetwork({ name: 'js', defaultRoutePropagationEnabled: false })
    const gateway = await gateways.createGateway({ type: 'VPC-GW-S', name: 'js', enableSmtp: false, enableBastion: false })
    await gateways.waitForGateway({ gatewayId: gateway.id }, SOON)
    const attached = await gateways.createGatewayNetwork({
      gatewayId: gateway.id, privateNetworkId: network.id, enableMasquerade: true, pushDefaultRoute: true,
    })
    await gateways.waitForGatewayNetwork({ gatewayNetworkId: attached.id }, SOON)
    const { versions } = await kubernetes.listVersions()
    const cluster = await kubernetes.createCluster({
      name: 'js', description: '', type: 'kapsule', version: versions[0].name, cni: 'cilium', privateNetworkId: network.id,
    })
    const stopped = { ...SOON, stop: async one => one.status === 'pool_required' }
    assert.equal((await kubernetes.waitForCluster({ clusterId: cluster.id }, stopped)).status, 'pool_required')
    const pools = {}
    for (const [name, publicIpDisabled] of [['controlled', false], ['isolated', true]]) {
      const pool = await kubernetes.createPool({
        clusterId: cluster.id, name, nodeType: 'DEV1-M', size: 1, autoscaling: false, autohealing: true, publicIpDisabled,
      })
      pools[name] = await kubernetes.waitForPool({ poolId: pool.id }, SOON)
      assert.equal(pools[name].status, 'ready')
      assert.equal(pools[name].publicIpDisabled, publicIpDisabled)
    }
    const nodes = await kubernetes.listNodes({ clusterId: cluster.id }).all()
    assert.deepEqual(nodes.map(node => [node.status, node.publicIpV4 !== '']).sort(), [['ready', false], ['ready', true]])
    await kubernetes.updatePool({ poolId: pools.controlled.id, size: 2 })
    const grown = { ...SOON, stop: async pool => pool.status === 'ready' && pool.size === 2 }
    await kubernetes.waitForPool({ poolId: pools.controlled.id }, grown)
    assert.equal((await kubernetes.listNodes({ clusterId: cluster.id, poolId: pools.controlled.id })).totalCount, 2)
    const config = await kubernetes.getClusterKubeConfig({ clusterId: cluster.id })
    assert.match(await config.text(), /^apiVersion: .*current-context:/s)
    await kubernetes.deleteCluster({ clusterId: cluster.id, withAdditionalResources: false })
    await gone(kubernetes.waitForCluster({ clusterId: cluster.id }, { ...SOON, stop: async () => false }))
    await gateways.deleteGatewayNetwork({ gatewayNetworkId: attached.id })
    await gone(gateways.waitForGatewayNetwork({ gatewayNetworkId: attached.id }, { ...SOON, stop: async () => false }))
    await gateways.deleteGateway({ gatewayId: gateway.id, deleteIp: true })
    await gone(gateways.waitForGateway({ gatewayId: gateway.id }, { ...SOON, stop: async () => false }))
    await vpc.deletePrivateNetwork({ privateNetworkId: network.id })
  },

  async server() {
    const images = await market.listLocalImages({ imageLabel: 'ubuntu_jammy', zone: 'fr-par-1', type: 'instance_sbs' }).all()
    const image = images.find(one => one.compatibleCommercialTypes.includes('PRO2-XXS'))
    const { securityGroup } = await instances.createSecurityGroup({
      name: 'js', description: '', stateful: true, inboundDefaultPolicy: 'drop', outboundDefaultPolicy: 'accept',
    })
    const { rule } = await instances.createSecurityGroupRule({
      securityGroupId: securityGroup.id, protocol: 'TCP', direction: 'inbound', action: 'accept', ipRange: '0.0.0.0/0',
      destPortFrom: 22, position: 1, editable: true,
    })
    assert.equal(rule.destPortFrom, 22)
    const { ip } = await instances.createIp({ type: 'routed_ipv4', tags: [] })
    const { server } = await instances.createServer({
      name: 'js', commercialType: 'PRO2-XXS', image: image.id, securityGroup: securityGroup.id, publicIps: [ip.id],
      protected: false, tags: ['js'],
    })
    assert.equal(server.publicIps[0].address, ip.address)
    await instances.serverActionAndWait({ serverId: server.id, action: 'poweron' }, SOON)
    const volume = await blocks.createVolume({ name: 'js', fromEmpty: { size: 5_000_000_000 } })
    await blocks.waitForVolume({ volumeId: volume.id }, SOON)
    await instances.attachServerVolume({ serverId: server.id, volumeId: volume.id, volumeType: 'sbs_volume', boot: false })
    const inUse = { ...SOON, stop: async one => one.status === 'in_use' }
    await blocks.waitForVolume({ volumeId: volume.id }, inUse)
    await instances.setServerUserData({ serverId: server.id, key: 'greeting', content: new Blob(['hello']) })
    assert.equal(await instances.getServerUserData({ serverId: server.id, key: 'greeting' }), 'hello')
    const network = await vpc.createPrivateNetwork({ name: 'js', defaultRoutePropagationEnabled: false })
    const { privateNic } = await instances.createPrivateNIC({ serverId: server.id, privateNetworkId: network.id })
    await instances.waitForPrivateNIC({ serverId: server.id, privateNicId: privateNic.id }, SOON)
    await instances.serverActionAndWait({ serverId: server.id, action: 'poweroff' }, SOON)
    await instances.detachServerVolume({ serverId: server.id, volumeId: volume.id })
    const { server: last } = await instances.getServer({ serverId: server.id })
    await instances.deleteServer({ serverId: server.id })
    for (const { id } of [volume, ...Object.values(last.volumes)]) await blocks.deleteVolume({ volumeId: id })
    await instances.deleteIp({ ip: ip.id })
    await instances.deleteSecurityGroup({ securityGroupId: securityGroup.id })
    await vpc.deletePrivateNetwork({ privateNetworkId: network.id })
  },

  async balancer() {
    const network = await vpc.createPrivateNetwork({ name: 'js', defaultRoutePropagationEnabled: false })
    const lb = await balancers.createLb({ name: 'js', description: '', type: 'LB-S', assignFlexibleIp: true })
    await balancers.waitForLb({ lbId: lb.id }, SOON)
    await balancers.attachPrivateNetwork({ lbId: lb.id, privateNetworkId: network.id, ipamIds: [] })
    const backend = await balancers.createBackend({
      lbId: lb.id, name: 'js', forwardProtocol: 'http', forwardPort: 80, forwardPortAlgorithm: 'roundrobin',
      stickySessions: 'none', stickySessionsCookieName: '', serverIp: ['10.0.0.1'],
      healthCheck: { port: 80, checkMaxRetries: 3, checkDelay: '3s', checkTimeout: '1s', checkSendProxy: false, tcpConfig: {} },
    })
    const frontend = await balancers.createFrontend({
      lbId: lb.id, name: 'js', inboundPort: 80, backendId: backend.id, enableHttp3: false, enableAccessLogs: false,
    })
    const acl = await balancers.createAcl({
      frontendId: frontend.id, name: 'js', index: 1, description: '', action: { type: 'deny' },
      match: { ipSubnet: ['192.0.2.0/24'], httpFilterValue: [], invert: false, httpFilter: 'acl_http_filter_none' },
    })
    assert.equal(acl.frontend.backend.id, backend.id)
    const more = await balancers.addBackendServers({ backendId: backend.id, serverIp: ['10.0.0.2'] })
    assert.deepEqual(more.pool, ['10.0.0.1', '10.0.0.2'])
    assert.equal((await balancers.listFrontends({ lbId: lb.id })).totalCount, 1)
    const { privateNetwork } = await balancers.listLbPrivateNetworks({ lbId: lb.id })
    assert.equal(privateNetwork[0].privateNetworkId, network.id)
    await balancers.detachPrivateNetwork({ lbId: lb.id, privateNetworkId: network.id })
    await balancers.deleteLb({ lbId: lb.id, releaseIp: true })
    await assert.rejects(
      balancers.waitForLb({ lbId: lb.id }, { ...SOON, stop: async () => false }), error => error.status === 404,
    )
    await vpc.deletePrivateNetwork({ privateNetworkId: network.id })
  },

  async database() {
    const network = await vpc.createPrivateNetwork({ name: 'js', defaultRoutePropagationEnabled: false })
    const instance = await databases.createInstance({
      name: 'js', engine: 'PostgreSQL-15', nodeType: 'DB-DEV-S', userName: 'admin', password: PASSWORD,
      isHaCluster: false, disableBackup: true, volumeSize: 0, volumeType: 'lssd', backupSameRegion: false,
    })
    assert.equal((await databases.waitForInstance({ instanceId: instance.id }, SOON)).status, 'ready')
    const endpoint = await databases.createEndpoint({
      instanceId: instance.id, endpointSpec: { privateNetwork: { privateNetworkId: network.id, ipamConfig: {} } },
    })
    assert.match(endpoint.privateNetwork.serviceIp, /^172\./)
    await databases.waitForInstance({ instanceId: instance.id }, SOON)
    await databases.createDatabase({ instanceId: instance.id, name: 'app' })
    await databases.createUser({ instanceId: instance.id, name: 'app', password: PASSWORD, isAdmin: false })
    const granted = await databases.setPrivilege({
      instanceId: instance.id, databaseName: 'app', userName: 'app', permission: 'readonly',
    })
    assert.equal(granted.permission, 'readonly')
    const { rules } = await databases.addInstanceACLRules({
      instanceId: instance.id, rules: [{ ip: '192.0.2.0/24', description: 'js' }],
    })
    assert.ok(rules.some(rule => rule.ip === '192.0.2.0/24'))
    const backup = await databases.createDatabaseBackup({ instanceId: instance.id, databaseName: 'app', name: 'js' })
    assert.equal((await databases.waitForDatabaseBackup({ databaseBackupId: backup.id }, SOON)).status, 'ready')
    await databases.deleteDatabaseBackup({ databaseBackupId: backup.id })
    await databases.deleteInstance({ instanceId: instance.id })
    await gone(databases.waitForInstance({ instanceId: instance.id }, { ...SOON, stop: async () => false }))
    await vpc.deletePrivateNetwork({ privateNetworkId: network.id })
  },

  async access() {
    const project = await projects.createProject({ name: 'js', description: '' })
    const application = await iam.createApplication({ name: 'js', description: '' })
    const policy = await iam.createPolicy({
      name: 'js', description: '', applicationId: application.id,
      rules: [{ permissionSetNames: ['VPCReadOnly'], projectIds: [project.id], condition: '' }],
    })
    const key = await iam.createAPIKey({ applicationId: application.id, description: '', defaultProjectId: project.id })
    const restricted = new Vpc.v2.API(createClient(settings(key.accessKey, key.secretKey)))
    assert.equal((await restricted.listVPCs({ projectId: project.id })).totalCount, 1)
    await assert.rejects(
      restricted.createVPC({ name: 'no', enableRouting: false, projectId: project.id }),
      refused(403, 'PermissionsDeniedError'),
    )
    await iam.deleteAPIKey({ accessKey: key.accessKey })
    await assert.rejects(restricted.listVPCs(), refused(401, 'DeniedAuthenticationError'))
    await iam.deletePolicy({ policyId: policy.id })
    await iam.deleteApplication({ applicationId: application.id })
    await projects.deleteProject({ projectId: project.id })
  },

  async errors() {
    const bad = { name: 'js', description: '', type: 'kapsule', version: '0.0.0', cni: 'cilium' }
    await assert.rejects(kubernetes.createCluster(bad), refused(400, 'InvalidArgumentsError'))
    const id = '00000000-0000-4000-8000-000000000000'
    await assert.rejects(kubernetes.getCluster({ clusterId: id }), refused(404, 'ResourceNotFoundError'))
    const nobody = createClient(settings('SCWXXXXXXXXXXXXXXXXX', id))
    await assert.rejects(new K8s.v1.API(nobody).listClusters(), refused(401, 'DeniedAuthenticationError'))
  },
}

await flows[process.argv[2]]()
