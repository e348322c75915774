# A Load Balancer with one of everything, a private one and one with both families; `revision` 2 changes whatever can be
# changed in place. chain.pem is made by the test.

variable "revision" {
  type    = number
  default = 1
}
resource "scaleway_vpc_private_network" "pn" { name = "lb-pn" }
resource "scaleway_ipam_ip" "ip" {
  address = null
  source { private_network_id = scaleway_vpc_private_network.pn.id }
}
resource "scaleway_vpc_private_network" "auto" { name = "lb-auto" }
resource "scaleway_lb_ip" "ip" {
  tags    = var.revision == 1 ? ["a"] : ["a", "b"]
  reverse = var.revision == 1 ? null : "lb.example.org"
}
resource "scaleway_lb_ip" "v6" { is_ipv6 = true }
resource "scaleway_lb" "lb" {
  name                    = var.revision == 1 ? "public" : "renamed"
  ip_ids                  = [scaleway_lb_ip.ip.id, scaleway_lb_ip.v6.id]
  type                    = var.revision == 1 ? "LB-S" : "LB-GP-M"
  tags                    = var.revision == 1 ? ["x", "y"] : []
  description             = var.revision == 1 ? "first" : ""
  ssl_compatibility_level = var.revision == 1 ? "ssl_compatibility_level_modern" : "ssl_compatibility_level_old"
  private_network {
    private_network_id = scaleway_vpc_private_network.pn.id
    ipam_ids           = [scaleway_ipam_ip.ip.id]
  }
  dynamic "private_network" {
    for_each = var.revision == 1 ? [1] : []
    content { private_network_id = scaleway_vpc_private_network.auto.id }
  }
}
resource "scaleway_lb" "private" {
  name               = "private"
  type               = "LB-S"
  assign_flexible_ip = false
  private_network { private_network_id = scaleway_vpc_private_network.auto.id }
}
resource "scaleway_lb" "both" {
  name                 = "both"
  type                 = "LB-S"
  assign_flexible_ip   = true
  assign_flexible_ipv6 = true
}
resource "scaleway_lb_backend" "http" {
  lb_id                       = scaleway_lb.lb.id
  name                        = "http"
  forward_protocol            = "http"
  forward_port                = 80
  server_ips                  = var.revision == 1 ? ["172.16.8.3", "172.16.8.4"] : ["172.16.8.4", "172.16.8.5"]
  sticky_sessions             = "cookie"
  sticky_sessions_cookie_name = "lb"
  health_check_http {
    uri         = "/health"
    method      = "GET"
    code        = 204
    host_header = "example.org"
  }
  health_check_delay           = var.revision == 1 ? "10s" : "20s"
  health_check_timeout         = "3s"
  health_check_transient_delay = "750ms"
  timeout_server               = "10s"
  max_connections              = 100
  redispatch_attempt_count     = 1
  failover_host                = var.revision == 1 ? "site.s3-website.fr-par.scw.cloud" : null
  proxy_protocol               = "v2"
  on_marked_down_action        = "shutdown_sessions"
  ssl_bridging                 = true
  ignore_ssl_server_verify     = true
}
resource "scaleway_lb_backend" "tcp" {
  lb_id            = scaleway_lb.lb.id
  forward_protocol = "tcp"
  forward_port     = 5432

}
resource "scaleway_lb_backend" "tcp2" {
  lb_id            = scaleway_lb.private.id
  forward_protocol = "tcp"
  forward_port     = 5432
}
resource "scaleway_lb_certificate" "le" {
  lb_id = scaleway_lb.lb.id
  name  = "le"
  letsencrypt { common_name = "lb.example.org" }
}
resource "scaleway_lb_certificate" "own" {
  lb_id = scaleway_lb.lb.id
  name  = var.revision == 1 ? "own" : "mine"
  custom_certificate { certificate_chain = file("chain.pem") }
}
resource "scaleway_lb_frontend" "https" {
  lb_id                 = scaleway_lb.lb.id
  backend_id            = scaleway_lb_backend.http.id
  name                  = "https"
  inbound_port          = 443
  certificate_ids       = var.revision == 1 ? [scaleway_lb_certificate.le.id, scaleway_lb_certificate.own.id] : [scaleway_lb_certificate.own.id]
  timeout_client        = var.revision == 1 ? "30s" : null
  enable_http3          = true
  connection_rate_limit = var.revision == 1 ? 100 : null
  acl {
    name = "in"
    action { type = "allow" }
    match { ip_subnet = ["10.0.0.0/8", "2001:db8::/32"] }
  }
  acl {
    action {
      type = "redirect"
      redirect {
        type   = "scheme"
        target = "https"
        code   = 301
      }
    }
    match {
      ip_subnet         = ["0.0.0.0/0"]
      http_filter       = "path_begin"
      http_filter_value = ["/old"]
    }
  }
}
resource "scaleway_lb_frontend" "tcp" {
  lb_id         = scaleway_lb.lb.id
  backend_id    = scaleway_lb_backend.tcp.id
  inbound_port  = 5432
  external_acls = true
}
resource "scaleway_lb_acl" "acl" {
  frontend_id = scaleway_lb_frontend.tcp.id
  name        = "one"
  description = "d"
  index       = var.revision
  action { type = "deny" }
  match {
    ip_subnet = ["192.168.0.0/16"]
    invert    = var.revision == 1
  }
}
resource "scaleway_lb_route" "host" {
  frontend_id       = scaleway_lb_frontend.https.id
  backend_id        = scaleway_lb_backend.http.id
  match_host_header = var.revision == 1 ? "a.example.org" : "b.example.org"
}
resource "scaleway_lb_route" "sni" {
  frontend_id = scaleway_lb_frontend.tcp.id
  backend_id  = scaleway_lb_backend.tcp.id
  match_sni   = "s.example.org"
}
data "scaleway_lb" "by_name" {
  name = scaleway_lb.both.name
}
data "scaleway_lb_ip" "by_address" { ip_address = scaleway_lb_ip.ip.ip_address }
data "scaleway_lb_backends" "all" {
  lb_id      = scaleway_lb.private.id
  depends_on = [scaleway_lb_backend.tcp2]
}
data "scaleway_lb_certificate" "own" {
  certificate_id = scaleway_lb_certificate.own.id
}
