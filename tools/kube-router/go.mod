module dcshift.local/tools/kube-router

go 1.25.0

require github.com/cloudnativelabs/kube-router/v2 v2.10.0
tool github.com/cloudnativelabs/kube-router/v2/cmd/kube-router

replace github.com/vishvananda/netlink => github.com/vishvananda/netlink v1.3.1
