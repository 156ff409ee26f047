{{/* Prefix of all names. Forty characters leave room for what Kubernetes and we append. */}}
{{- define "vox.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Name of the operator's Deployment, Service, Lease and roles. */}}
{{- define "vox.operator" -}}
{{- include "vox.fullname" . }}-operator
{{- end -}}

{{/* Name of the evaluation database's StatefulSet, Service and Secret. */}}
{{- define "vox.postgres" -}}
{{- include "vox.fullname" . }}-postgres
{{- end -}}

{{- define "vox.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "vox.operator" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* What selects pods of this release. It never changes with a version: selectors are immutable. */}}
{{- define "vox.selector" -}}
app.kubernetes.io/name: vox
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "vox.labels" -}}
{{ include "vox.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: vox
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "vox.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* "true" when the evaluation database runs; fails when there is no database at all. */}}
{{- define "vox.evaluation" -}}
{{- if not .Values.database.url.secretRef -}}
{{- if not .Values.database.evaluation.enabled -}}
{{- fail "no database: set database.url.secretRef.name and .key, or leave database.evaluation.enabled true" -}}
{{- end -}}
true
{{- end -}}
{{- end -}}

{{/* "true" when cert-manager makes the certificate. */}}
{{- define "vox.certManager" -}}
{{- $wanted := toString .Values.certManager.enabled -}}
{{- if or (eq $wanted "true") (and (eq $wanted "auto") (.Capabilities.APIVersions.Has "cert-manager.io/v1")) -}}
true
{{- end -}}
{{- end -}}

{{/* Secret with the operator's certificate. Who makes it owns it: each maker has a name of its own, so that changing
     from one to the other never mixes the certificate of one with the key of the other. */}}
{{- define "vox.tlsSecret" -}}
{{- include "vox.operator" . }}-{{ ternary "cert" "tls" (eq (include "vox.certManager" .) "true") }}
{{- end -}}

{{/* "true" when a ServiceMonitor is made. */}}
{{- define "vox.serviceMonitor" -}}
{{- $wanted := toString .Values.metrics.serviceMonitor.enabled -}}
{{- if or (eq $wanted "true") (and (eq $wanted "auto") (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) -}}
true
{{- end -}}
{{- end -}}

{{/* "true" when a PrometheusRule is made. */}}
{{- define "vox.alerts" -}}
{{- $wanted := toString .Values.metrics.alerts.enabled -}}
{{- if or (eq $wanted "true") (and (eq $wanted "auto") (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) -}}
true
{{- end -}}
{{- end -}}

{{/* Name of the shared gateway's Deployment, Service and ServiceAccount. */}}
{{- define "vox.gateway" -}}
{{- include "vox.fullname" . }}-gateway
{{- end -}}

{{/* Image of the sidecar and of the shared gateway. */}}
{{- define "vox.sidecarImage" -}}
{{- $image := .Values.sidecar.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* With cert-manager, its injector keeps the authority in the webhook configurations; otherwise the operator does. */}}
{{- define "vox.webhookAnnotations" -}}
{{- if include "vox.certManager" . -}}
annotations:
  cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/{{ include "vox.operator" . }}
{{- end -}}
{{- end -}}
