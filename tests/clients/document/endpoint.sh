curl --request POST \
--url https://api.scaleway.com/rdb/v1/regions/$REGION/instances/$INSTANCE_ID/endpoints \
--header "Content-Type: application/json" \
--header "X-Auth-Token: $SCW_SECRET_KEY" \
--data '{
"endpoint_spec": {
"private_network": {
"ipam_config": {},
"private_network_id": "<PRIVATE_NETWORK_ID>"
}
}
}'
